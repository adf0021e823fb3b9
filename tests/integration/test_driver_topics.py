"""Topics that change under a worker: deleted and created again, more partitions, retention."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from aiokafka.admin import NewPartitions, RecordsToDelete
from aiokafka.structs import TopicPartition

from streams.driver import RoleRunner, SourcePartition
from streams.driver.positions import CHECK_INTERVAL_S
from streams.errors import DependencyDownError
from tests.integration.driver_helpers import (
    Recorder,
    admin_client,
    committed_offsets,
    create_topic,
    delete_topic,
    no_poison,
    partitions_of,
    publish_numbers,
    running,
    settings_for,
    until,
)


class Fences:
    """Start positions as a fenced role has them: the lower of its own record and the committed offset."""

    def __init__(self, fences: dict[SourcePartition, int] | None = None, failures: int = 0) -> None:
        self.fences = fences or {}
        self.failures = failures
        self.asked: list[dict[SourcePartition, int | None]] = []

    async def positions(
        self, partitions: Sequence[SourcePartition], committed: Mapping[SourcePartition, int | None]
    ) -> Mapping[SourcePartition, int]:
        if self.failures:
            self.failures -= 1
            raise DependencyDownError("Redis does not answer")
        self.asked.append(dict(committed))
        known = {source: [self.fences.get(source), committed[source]] for source in partitions}
        found = {source: [offset for offset in both if offset is not None] for source, both in known.items()}
        return {source: min(offsets) for source, offsets in found.items() if offsets}


@pytest.mark.parametrize("check_interval_s", [CHECK_INTERVAL_S, 60.0], ids=["looking", "on-fetching-alone"])
async def test_a_topic_deleted_and_created_again_is_another_topic(
    kafka, topic_prefix: str, monkeypatch: pytest.MonkeyPatch, check_interval_s: float
) -> None:
    monkeypatch.setattr("streams.driver.positions.CHECK_INTERVAL_S", check_interval_s)
    servers, topic = kafka.bootstrap_servers, topic_prefix + "numbers"
    await create_topic(servers, topic, 2)
    await publish_numbers(servers, topic, range(100), partitions=2)
    recorder, fences = Recorder(), Fences()
    settings = settings_for(servers, topic_prefix)
    runner = RoleRunner(settings, "role", [topic], recorder, on_poison=no_poison, start_positions=fences)
    async with running(runner):
        await until(lambda: len(recorder.records) == 100, "the first topic")
        first_uuid = recorder.records[0].topic_uuid
        await until(lambda: all(p.committed == 50 for p in runner.stats().partitions), "the commits")
        await delete_topic(servers, topic)
        await create_topic(servers, topic, 2)
        # More than there were: a reader that goes on at its old offset would miss half of these.
        await publish_numbers(servers, topic, range(1_000, 1_200), partitions=2)
        await until(lambda: len(recorder.records) >= 300, "the second topic")
        second = [record for record in recorder.records if record.topic_uuid != first_uuid]
        assert sorted(int(record.value) for record in second) == list(range(1_000, 1_200))
        assert len({record.topic_uuid for record in second}) == 1
        # Never a record of the second topic under the first one's id.
        assert sorted(int(r.value) for r in recorder.records if r.topic_uuid == first_uuid) == list(
            range(100)
        )
        assert {offset for asked in fences.asked for offset in asked.values()} == {None}
        assert fences.asked[-1].keys() == {SourcePartition(topic, second[0].topic_uuid, p) for p in (0, 1)}
        await until(lambda: runner.stats().lag == 0, "no lag")
    assert await committed_offsets(servers, topic_prefix + "role") == {0: 100, 1: 100}


async def test_an_offset_committed_for_a_deleted_topic_is_not_trusted(kafka, topic_prefix: str) -> None:
    servers, topic = kafka.bootstrap_servers, topic_prefix + "numbers"
    await create_topic(servers, topic, 1)
    await publish_numbers(servers, topic, range(50), partitions=1)
    first, second = Recorder(), Recorder()
    settings = settings_for(servers, topic_prefix)
    async with running(RoleRunner(settings, "role", [topic], first, on_poison=no_poison)):
        await until(lambda: len(first.records) == 50, "the first topic")
    group = topic_prefix + "role"
    assert await committed_offsets(servers, group) == {0: 50}
    await delete_topic(servers, topic)
    await create_topic(servers, topic, 1)
    await publish_numbers(servers, topic, range(1_000, 1_100), partitions=1)
    # As a worker does that has not yet noticed: the offset of the old topic is committed for the new one.
    from aiokafka import AIOKafkaConsumer
    from aiokafka.structs import OffsetAndMetadata

    late = AIOKafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False)
    await late.start()
    late.assign([TopicPartition(topic, 0)])
    await late.commit(
        {TopicPartition(topic, 0): OffsetAndMetadata(50, f"topic-id {first.records[0].topic_uuid}")}
    )
    await late.stop()
    async with running(RoleRunner(settings, "role", [topic], second, on_poison=no_poison)):
        await until(lambda: len(second.records) >= 100, "the second topic")
        assert second.numbers == list(range(1_000, 1_100))


async def test_partitions_added_while_running_are_read(kafka, topic_prefix: str) -> None:
    servers, topic = kafka.bootstrap_servers, topic_prefix + "numbers"
    await create_topic(servers, topic, 1)
    await publish_numbers(servers, topic, range(10), partitions=1)
    recorder = Recorder()
    settings = settings_for(servers, topic_prefix)
    async with running(RoleRunner(settings, "role", [topic], recorder, on_poison=no_poison)) as runner:
        await until(lambda: len(recorder.records) == 10, "the first partition")
        await until(lambda: runner.stats().partitions[0].committed == 10, "the commit")
        async with admin_client(servers) as admin:
            await admin.create_partitions({topic: NewPartitions(3)})
        # A producer that does not know of a partition yet refuses to write to it.
        while await partitions_of(servers, topic) < 3:
            await asyncio.sleep(0.1)
        await publish_numbers(servers, topic, range(10, 40), partitions=3)
        await until(lambda: len(recorder.records) >= 40, "the new partitions")
        assert sorted(recorder.numbers) == list(range(40))


async def test_a_fenced_role_starts_at_the_lower_of_fence_and_commit(kafka, topic_prefix: str) -> None:
    servers, topic = kafka.bootstrap_servers, topic_prefix + "numbers"
    await create_topic(servers, topic, 2)
    await publish_numbers(servers, topic, range(100), partitions=2)
    settings = settings_for(servers, topic_prefix)
    first = Recorder()
    async with running(RoleRunner(settings, "role", [topic], first, on_poison=no_poison)):
        await until(lambda: len(first.records) == 100, "all")
    uuid = first.records[0].topic_uuid
    # An older snapshot of the state: it knows of 10 and of 20 records. Asking it fails twice.
    fences = Fences({SourcePartition(topic, uuid, 0): 10, SourcePartition(topic, uuid, 1): 20}, failures=2)
    again = Recorder()
    runner = RoleRunner(settings, "role", [topic], again, on_poison=no_poison, start_positions=fences)
    async with running(runner):
        await until(lambda: len(again.records) >= 70, "what the snapshot does not know of")
        assert sorted((r.partition, r.offset) for r in again.records) == sorted(
            [(0, offset) for offset in range(10, 50)] + [(1, offset) for offset in range(20, 50)]
        )
    assert fences.asked == [{SourcePartition(topic, uuid, 0): 50, SourcePartition(topic, uuid, 1): 50}]


async def test_records_gone_before_they_were_read_are_reported(kafka, topic_prefix: str) -> None:
    servers, topic = kafka.bootstrap_servers, topic_prefix + "numbers"
    await create_topic(servers, topic, 1)
    await publish_numbers(servers, topic, range(100), partitions=1)
    async with admin_client(servers) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=30)})
    settings = settings_for(servers, topic_prefix)
    gaps: list[tuple[SourcePartition, int, int]] = []
    recorder, fences = Recorder(), Fences()

    class At20(Fences):
        async def positions(self, partitions, committed):  # type: ignore[no-untyped-def]
            return dict.fromkeys(partitions, 20)

    runner = RoleRunner(
        settings,
        "role",
        [topic],
        recorder,
        on_poison=no_poison,
        start_positions=At20(),
        on_gap=lambda source, wanted, start: gaps.append((source, wanted, start)),
    )
    async with running(runner):
        await until(lambda: len(recorder.records) >= 70, "what is left")
        assert recorder.numbers == list(range(30, 100))
    assert [(source.partition, wanted, start) for source, wanted, start in gaps] == [(0, 20, 30)]
    assert fences.asked == []
