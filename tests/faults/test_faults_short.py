"""A short run of the fault suite: every kind of fault once or more, and the books must balance."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.faults.run import FaultRun, Report
from tests.faults.schedule import grave_plan

ROLES = ["text", "fuse", "profile", "profile", "recommend", "join"]
GRAVE = Counter(
    {"zombie": 1, "Kafka killed": 1, "Redis killed": 1, "Redis set back": 1, "Redis out of memory": 1}
)
KILLS = 6
LIGHT = 40

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    found = FaultRun(
        tmp_path_factory.mktemp("faults"),
        seed=1,
        roles=ROLES,
        spare=[],
        events=6_000,
        events_per_s=200.0,
        grave=grave_plan(1, 10 * KILLS, len(ROLES), GRAVE),
        light=LIGHT,
        light_every_s=0.8,
        say=print,
    ).run()
    # Shown where a test fails.
    print(json.dumps(found.as_json(), indent=1))
    return found


def test_every_event_has_its_effect_once(report: Report) -> None:
    failed = [check for check in report.checks if not check.holds]
    assert not failed
    assert report.checks


def test_faults_were_felt_and_what_they_held_up_was_done(report: Report) -> None:
    assert len(report.felt) >= LIGHT + len(GRAVE)
    assert report.kills >= KILLS
    assert [one for one in report.felt if one.recovered_s is None] == []
