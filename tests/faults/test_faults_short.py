"""A short run of the fault suite: every kind of fault once or more, and the books must balance."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.faults.run import FaultRun, Report
from tests.faults.schedule import grave_plan

ROLES = ["text", "fuse", "profile", "profile", "recommend", "join"]
GRAVE = Counter(
    {"zombie": 1, "Kafka killed": 1, "Redis killed": 1, "Redis set back": 1, "Redis out of memory": 1}
)
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return FaultRun(
        tmp_path_factory.mktemp("faults"),
        seed=1,
        roles=ROLES,
        spare=[],
        events=6_000,
        events_per_s=200.0,
        grave=grave_plan(1, 60, len(ROLES), GRAVE),
        light=50,
        light_every_s=0.8,
        say=print,
    ).run()


def test_every_event_has_its_effect_once(report: Report) -> None:
    failed = [check for check in report.checks if not check.holds]
    assert not failed
    assert report.checks


def test_faults_were_felt_and_over_in_time(report: Report) -> None:
    assert len(report.felt) >= 60
    assert report.kills >= 6
    assert not report.slow
