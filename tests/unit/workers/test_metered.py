"""What goes through a role is counted, and nothing else changes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from streams.dead_letters import dead_letter_outgoing
from streams.driver import Delivery, Finish
from streams.errors import DependencyDownError, InvalidError
from streams.metrics import REGISTRY
from streams.records import Outgoing
from tests.unit.workers.fakes import NOW, FakePublisher, record
from workers.metered import MeteredProcessor, MeteredPublisher


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_published_records_count_once_they_are_acknowledged() -> None:
    inner = FakePublisher()
    publisher = MeteredPublisher(inner, "r1", "t.dead-letters")
    records = [Outgoing("t.a", b"k", b"v"), Outgoing("t.a", b"k", None), Outgoing("t.b", None, b"v")]
    inner.failures = 1
    with pytest.raises(DependencyDownError):
        await publisher.publish(records)
    assert value("freshet_records_out_total", role="r1", topic="t.a") == 0
    await publisher.publish(records)
    assert inner.published == records
    assert value("freshet_records_out_total", role="r1", topic="t.a") == 2
    assert value("freshet_records_out_total", role="r1", topic="t.b") == 1


async def test_dead_letters_count_by_stage_and_reason() -> None:
    publisher = MeteredPublisher(FakePublisher(), "r2", "t.dead-letters")
    letter = dead_letter_outgoing("t.dead-letters", record("t.x", b"{"), "stage-m", InvalidError("no"), NOW)
    await publisher.publish([letter, letter])
    assert value("freshet_dead_letters_total", stage="stage-m", reason="invalid") == 2


class _Role:
    def __init__(self) -> None:
        self.seen: list[Delivery] = []

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        self.seen += deliveries


class _RoleWithHook(_Role):
    async def partitions_revoked(self, partitions: object) -> str:
        return "hooked"


async def test_a_role_is_counted_and_keeps_its_hooks() -> None:
    inner = _RoleWithHook()
    metered = MeteredProcessor(inner, "r3")
    deliveries = [Delivery(record(topic, b"v"), lambda _: None) for topic in ("t.a", "t.a", "t.b")]
    await metered.process(deliveries)
    assert inner.seen == deliveries
    assert value("freshet_records_in_total", role="r3", topic="t.a") == 2
    assert value("freshet_batch_records_count", role="r3") == 1
    assert await metered.partitions_revoked([]) == "hooked"
    assert getattr(metered, "partitions_assigned", None) is None
    assert getattr(MeteredProcessor(_Role(), "r3"), "partitions_revoked", None) is None


class _Overlapping(_Role):
    async def begin(self, deliveries: Sequence[Delivery]) -> Finish | None:
        if deliveries[0].record.topic == "t.alone":
            return None

        async def finish() -> None:
            self.seen += deliveries

        return finish


async def test_a_role_whose_batches_overlap_is_counted_once_a_batch() -> None:
    inner = _Overlapping()
    metered = MeteredProcessor(inner, "r4")
    delivery = Delivery(record("t.a", b"v"), lambda _: None)
    finish = await metered.begin([delivery])
    assert finish is not None
    assert inner.seen == []
    assert value("freshet_process_seconds_count", role="r4") == 0
    await finish()
    assert inner.seen == [delivery]
    assert value("freshet_records_in_total", role="r4", topic="t.a") == 1
    assert value("freshet_batch_records_count", role="r4") == 1
    assert value("freshet_process_seconds_count", role="r4") == 1
    # What it does not begin is counted when it is processed.
    assert await metered.begin([Delivery(record("t.alone", b"v"), lambda _: None)]) is None
    assert await MeteredProcessor(_Role(), "r4").begin([delivery]) is None
    assert value("freshet_batch_records_count", role="r4") == 1
