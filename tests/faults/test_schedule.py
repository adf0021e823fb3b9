"""What is injected follows from the seed; what a report says follows from its records."""

from __future__ import annotations

from collections import Counter

from tests.faults.accounting import Check
from tests.faults.run import Report, by_fault
from tests.faults.schedule import GRAVE_OF_A_THOUSAND, Record, grave_plan


def record(name: str, felt: int = 1, recovered_s: float | None = 1.0, is_kill: bool = False) -> Record:
    return Record("light", 0, name, "profile", felt, is_kill, 0.0, recovered_s)


def test_a_plan_follows_from_its_seed() -> None:
    assert grave_plan(1, 1_000, 12) == grave_plan(1, 1_000, 12)
    assert grave_plan(1, 1_000, 12) != grave_plan(2, 1_000, 12)


def test_a_tenth_is_kills_and_each_slot_and_kind_has_its_share() -> None:
    plan = Counter(grave_plan(1, 1_000, 12))
    kills = {name: count for name, count in plan.items() if name.startswith("kill")}
    assert sum(kills.values()) == 100
    assert len(kills) == 12
    assert min(kills.values()) >= 8
    assert {name: count for name, count in plan.items() if name not in kills} == GRAVE_OF_A_THOUSAND


def test_what_hit_nothing_does_not_count() -> None:
    report = Report({}, [record("cut"), record("cut", felt=0), record("kill", is_kill=True)])
    assert (len(report.felt), report.kills) == (2, 1)
    assert by_fault(report.felt)["cut"]["count"] == 1


def test_a_report_holds_where_every_check_does_and_every_recovery_was_in_time() -> None:
    good, bad = Check("one", True, {}), Check("two", False, {})
    assert Report({}, [record("cut")], [good]).holds
    assert not Report({}, [record("cut")], [good, bad]).holds
    assert not Report({}, [record("cut", recovered_s=31.0)], [good]).holds
    assert not Report({}, [record("cut", recovered_s=None)], [good]).holds
    assert not Report({}, [record("cut")], []).holds
