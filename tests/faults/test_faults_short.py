"""A short run of the fault suite: the most telling faults once, and the books must balance."""

from __future__ import annotations

import json

import pytest

from tests.faults.run import LIVENESS_LIMIT_S, FaultRun, Report

ROLES = ["text", "fuse", "profile", "profile", "recommend", "join"]
# Kills of fuse, profile, recommend and join. Redis is killed where it is set back, too.
GRAVE = [
    "kill 2",
    "Redis set back",
    "kill 4",
    "zombie",
    "Kafka killed",
    "kill 5",
    "Redis out of memory",
    "kill 1",
    "Kafka disk full",
]
KILLS = 4
LIGHT = 24

pytestmark = pytest.mark.timeout(1_800)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    found = FaultRun(
        tmp_path_factory.mktemp("faults"),
        seed=1,
        roles=ROLES,
        spare=[],
        events=4_000,
        events_per_s=200.0,
        grave=GRAVE,
        light=LIGHT,
        light_every_s=0.8,
        small_kafka_disk=True,
        say=print,
    ).run()
    # Shown where a test fails.
    print(json.dumps(found.as_json(), indent=1))
    return found


def test_every_event_has_its_effect_once(report: Report) -> None:
    assert [check for check in report.checks if not check.holds] == []
    assert report.checks


def test_faults_were_felt_and_what_they_held_up_was_done(report: Report) -> None:
    assert len(report.felt) >= LIGHT + len(GRAVE)
    assert report.kills >= KILLS
    assert report.not_within(LIVENESS_LIMIT_S) == []


def test_withdrawn_items_leave_lists(report: Report) -> None:
    (check,) = (one for one in report.checks if one.name == "no list made at the end holds a withdrawn item")
    assert check.figures["withdrawn"] > 0
    assert report.longest_listed_s <= LIVENESS_LIMIT_S
