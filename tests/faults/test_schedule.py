"""What is injected follows from the seed; what a report says follows from its records."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from streams.topic_names import TopicNames
from tests.faults.check import Check
from tests.faults.injectors import servers
from tests.faults.injectors.servers import KafkaDiskFull
from tests.faults.load import Load
from tests.faults.observer import Observer
from tests.faults.recovery import Recovery
from tests.faults.run import FaultRun, Report, _lines, by_fault
from tests.faults.schedule import GRAVE_OF_A_THOUSAND, Record, grave_plan, light_fault


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


@pytest.mark.parametrize("role", ["text", "image", "audio", "video", "fuse", "profile"])
def test_networks_fail_in_every_role_that_encodes(role: str) -> None:
    slot = SimpleNamespace(name=role, role=role, kafka=None, redis=None)
    names = {light_fault(slot, Random(seed)).name for seed in range(200)}  # type: ignore[arg-type]
    assert ("ONNX session fails" in names) == (role in ("text", "image", "audio", "video"))


@pytest.mark.parametrize("ends", [True, False])
def test_a_full_disk_that_kafka_does_not_notice_was_not_felt(
    monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    monkeypatch.setattr(servers, "KAFKA_ENDS_S", 0.0)
    done: list[str] = []
    kafka = SimpleNamespace(
        is_running=not ends, kill=lambda: done.append("kill"), start=lambda: done.append("start")
    )
    disk = SimpleNamespace(fill=lambda: done.append("fill"), free=lambda: done.append("free"))
    slot = SimpleNamespace(role="profile", kafka=SimpleNamespace(connections=2))
    world = SimpleNamespace(slots=[slot], kafka=kafka, kafka_disk=disk)
    fault = KafkaDiskFull(world)  # type: ignore[arg-type]
    fault.inject()
    assert fault.heal() == int(ends)
    assert done == ["fill", *([] if ends else ["kill"]), "free", "start"]


def test_a_changed_item_has_other_media(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load("", TopicNames(""), seed=1, events=0, media=True)
    sent: list[bytes | None] = []
    monkeypatch.setattr(load, "_send", lambda topic, key, value, then: sent.append(value))
    for kind in range(3):
        for change in (0, 1):
            load._publish_item(kind, change)
    media = [json.loads(value or b"")["media"] for value in sent]
    assert [one["kind"] for [one] in media] == ["image", "image", "audio", "audio", "video", "video"]
    assert len({one["uri"] for [one] in media}) == 6


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
    assert not Report({}, [record("cut")], [good], withdrawn_listed_s=[1.0, 31.0]).holds


def test_what_is_late_for_a_limit_is_told() -> None:
    never, late = record("cut", recovered_s=None), record("kill", recovered_s=121.0)
    report = Report({}, [record("cut"), never, late], withdrawn_listed_s=[1.0, 121.0])
    assert report.not_within(120.0) == [never, late]
    assert report.longest_listed_s == 121.0
    assert Report({}, []).longest_listed_s == 0.0


def test_what_was_not_compared_neither_holds_nor_fails() -> None:
    good, unknown = Check("one", True, {}), Check("two", None, {})
    assert Report({}, [], [good, unknown]).holds
    assert not Report({}, [], [unknown]).holds


def test_a_worker_with_nothing_to_do_has_recovered_when_it_is_back() -> None:
    is_back = False
    recovery = Recovery(["image"], 0.0, lambda: is_back)
    recovery.look(1.0, {}, {}, {"image": ["items"]})
    assert recovery.recovered_s is None
    is_back = True
    recovery.look(2.0, {}, {}, {"image": ["items"]})
    assert recovery.recovered_s is not None


def test_quiet_at_the_end_fails_where_a_live_event_has_no_list() -> None:
    load = Load("", TopicNames(""), seed=1, events=1)
    observer = Observer("", TopicNames(""), "space", load.ledger)
    watch = SimpleNamespace(lag={"profile": 0, "join": 3})
    assert FaultRun._quiet(True, observer, watch).figures == {"unanswered": 0, "lag": {"join": 3}}  # type: ignore[arg-type]
    load.ledger.live[7] = ("anna", 3, 0.0)
    check = FaultRun._quiet(False, observer, watch)  # type: ignore[arg-type]
    assert not check.holds
    assert check.figures["unanswered"] == 1


def test_a_line_half_written_is_taken_off_a_journal(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    assert _lines(journal) == []
    journal.write_text('{"a": 1}\n{"a": 2}\n{"a":')
    assert _lines(journal) == [{"a": 1}, {"a": 2}]
    with journal.open("a") as more:
        more.write('{"a": 3}\n')
    assert _lines(journal) == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_an_event_is_begun_only_when_it_counts_as_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or an acknowledgement between the two would count it as acknowledged."""
    load = Load("", TopicNames(""), seed=1, events=10)
    at_begun: list[set[int]] = []

    class Watched(type(load.ledger)):  # type: ignore[misc]
        def __setattr__(self, name: str, value: object) -> None:
            if name == "begun":
                at_begun.append(set(load._open))
            super().__setattr__(name, value)

    monkeypatch.setattr(load, "_send", lambda *_: None)
    load.ledger = Watched()
    at_begun.clear()
    load._publish_event(0, is_import=True)
    assert at_begun == [{0}]


def test_a_live_event_may_name_the_list_that_the_person_was_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load("", TopicNames(""), seed=1, events=0)
    sent: list[bytes] = []
    monkeypatch.setattr(load, "_send", lambda topic, key, value, then: sent.append(value))
    monkeypatch.setattr(
        load.ledger, "shown", SimpleNamespace(get=lambda person: (f"list-{person}", ("i", "j")))
    )
    for number in range(200):
        load._publish_event(number, is_import=False)
    assert b'"recommendation_id": "list-person-' in b"".join(sent)


@pytest.mark.timeout(120)
def test_what_kafka_refused_ends_the_run(tmp_path: Path) -> None:
    run = FaultRun(
        tmp_path,
        seed=1,
        roles=[],
        spare=[],
        events=10,
        events_per_s=1.0,
        grave=[],
        light=0,
        light_every_s=1.0,
    )
    load = Load("", TopicNames(""), seed=1, events=10)
    observer = Observer("", TopicNames(""), "space", load.ledger)
    load.ledger.failures.append("events anna: too large")
    world = SimpleNamespace(slots=[], poll=lambda: None)
    with pytest.raises(AssertionError, match="too large"):
        run._inject(world, SimpleNamespace(), load, observer)  # type: ignore[arg-type]
