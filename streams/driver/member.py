"""A worker's membership in its consumer group, on aiokafka.

Every method runs on the consumer thread's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import aiokafka
import structlog
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from aiokafka.structs import TopicPartition

from streams.consumer import Consumer
from streams.driver.delivery import SourcePartition
from streams.driver.fetch_by_id import ClientFetchingById
from streams.driver.in_flight import Assignment, Batch
from streams.driver.positions import PartitionState
from streams.group_offsets import acknowledged, acknowledged_offsets
from streams.kafka_connection import aiokafka_arguments
from streams.records import Record
from streams.settings import Settings
from streams.topic_ids import fetch_topic_ids

FETCH_WAIT_S = 1.0
FETCH_MAX_WAIT_MS = 250
ERROR_PAUSE_S = 0.5
COMMIT_TIMEOUT_S = 5.0
METADATA_MAX_AGE_MS = 3_000
REBALANCE_TIMEOUT_S = 60.0

log = structlog.get_logger(__name__)


def new_consumer(settings: Settings, group: str) -> aiokafka.AIOKafkaConsumer:
    """The consumer, not yet started; to be called on the event loop that it will live in."""
    kafka, worker = settings.kafka, settings.worker
    return Consumer(
        **aiokafka_arguments(kafka),
        client_id=group,
        group_id=group,
        partition_assignment_strategy=[RoundRobinPartitionAssignor],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=round(kafka.session_timeout_s * 1_000),
        heartbeat_interval_ms=round(kafka.heartbeat_interval_s * 1_000),
        rebalance_timeout_ms=round(REBALANCE_TIMEOUT_S * 1_000),
        max_poll_interval_ms=round(kafka.max_poll_interval_s * 1_000),
        metadata_max_age_ms=METADATA_MAX_AGE_MS,
        fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
        # One fetch is what goes over the budget at most, and what is fetched ahead.
        fetch_max_bytes=max(1 << 20, worker.max_in_flight_bytes // 4),
        max_partition_fetch_bytes=1 << 20,
    )


class ConsumerBrokenError(KafkaError):  # type: ignore[misc]
    """The consumer will never work again: another one has to be made."""


class KafkaMember:
    """What the driver does with an aiokafka consumer.

    aiokafka's own interface hands out records without the position that they were read from, takes waiting
    for room as being dead, and keeps a fatal group error to itself; so this reaches into it, and its version
    is pinned.

    Args:
        least_share: Records of a partition in one fetch, where it has them and no other topic is read.
        on_doubt: Called where a topic turns out not to be the one that was positioned.
    """

    def __init__(
        self, consumer: aiokafka.AIOKafkaConsumer, least_share: int, on_doubt: Callable[[], None]
    ) -> None:
        self._consumer: Any = consumer
        self._least_share = least_share
        self._on_doubt = on_doubt
        self._sessions: dict[TopicPartition, Assignment] = {}
        self._fetching = ClientFetchingById(consumer._client, self._topic_id, on_doubt)
        self._consumer._client = self._fetching
        self._turn = 0
        # What of each assignment was read last, and what of it is known to be of the right topic: aiokafka's
        # `FetchResult`, one response of the broker, which is handed out in parts.
        self._read: dict[Assignment, Any] = {}
        self._known: dict[Assignment, Any] = {}

    def _topic_id(self, partition: TopicPartition) -> str | None:
        """The id of the topic in which the offsets of an open assignment count."""
        assignment = self._sessions.get(partition)
        return None if assignment is None else assignment.source.topic_uuid

    def _alive(self) -> Any:
        """The consumer, unless it is stopped or broken for good.

        Raises:
            ConsumerStoppedError: It was stopped.
            ConsumerBrokenError: A task of it has died; aiokafka starts none anew.
            KafkaError: The group refuses this worker; aiokafka tries again once it has told.
        """
        consumer = self._consumer
        if consumer._closed or consumer._fetcher is None or consumer._fetcher._closed:
            raise ConsumerStoppedError()
        coordinator = consumer._coordinator
        for task in (
            consumer._fetcher.error_future,
            coordinator._coordination_task,
            coordinator._heartbeat_task,
            coordinator._commit_refresh_task,
        ):
            if task is not None and task.done() and not task.cancelled() and task.exception() is not None:
                raise ConsumerBrokenError(f"a task of the Kafka client has died: {task.exception()!r}")
        coordinator.check_errors()
        return consumer

    def forget(self) -> None:
        """The group takes everything back."""
        self._sessions = {}
        self._read, self._known = {}, {}

    async def touch(self) -> None:
        """The role's event loop is alive: put off what aiokafka takes for ``max.poll.interval`` exceeded."""
        with self._consumer._subscription.fetch_context():
            pass

    async def is_member(self) -> bool:
        coordinator = self._alive()._coordinator
        heartbeat = coordinator._heartbeat_task
        return coordinator.generation > 0 and heartbeat is not None and not heartbeat.done()

    async def topic_ids(self, topics: Collection[str]) -> Mapping[str, str]:
        return await fetch_topic_ids(self._alive()._client, topics)

    async def states(self, sources: Collection[SourcePartition]) -> list[PartitionState]:
        consumer = self._alive()
        assigned = consumer.assignment()
        by_partition = {TopicPartition(source.topic, source.partition): source for source in sources}
        by_partition = {tp: source for tp, source in by_partition.items() if tp in assigned}
        tps = list(by_partition)
        starts, ends, committed = await asyncio.gather(
            consumer.beginning_offsets(tps),
            consumer.end_offsets(tps),
            acknowledged_offsets(consumer, {tp: source.topic_uuid for tp, source in by_partition.items()}),
        )
        return [PartitionState(by_partition[tp], starts[tp], ends[tp], committed.get(tp)) for tp in tps]

    async def log_ends(self, partitions: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        consumer = self._alive()
        tps = [
            tp
            for tp in (TopicPartition(*partition) for partition in partitions)
            if tp in consumer.assignment()
        ]
        return await consumer.end_offsets(tps) if tps else {}

    async def start_at(self, generation: int, positions: Mapping[Assignment, int]) -> bool:
        consumer = self._alive()
        subscription = consumer._subscription
        if subscription.reassignment_in_progress or consumer._coordinator.generation != generation:
            return False
        for assignment, position in positions.items():
            tp = TopicPartition(assignment.source.topic, assignment.source.partition)
            if tp in consumer.assignment():
                consumer.seek(tp, position)
                before = self._sessions.get(tp)
                if before is not None:
                    self._read.pop(before, None)
                    self._known.pop(before, None)
                self._sessions[tp] = assignment
        # A fetch that waits may find that what it waits for is there already.
        for waiter in list(consumer._fetcher._fetch_waiters):
            consumer._fetcher._notify(waiter)
        return True

    async def fetch(self, max_records: int) -> list[Batch]:
        """What is fetched of the open assignments, ``max_records`` at most; empty after FETCH_WAIT_S."""
        fetcher = self._alive()._fetcher
        batches = await self._drain(max_records)
        if not batches:
            waiter = fetcher._create_fetch_waiter()
            await asyncio.wait([waiter], timeout=FETCH_WAIT_S)
            if not waiter.done():
                waiter.cancel()
            elif not waiter.cancelled():
                waiter.result()
            self._alive()
            batches = await self._drain(max_records)
        return await self._confirmed(batches) if batches else []

    async def _drain(self, max_records: int) -> list[Batch]:
        consumer = self._consumer
        subscription, fetcher = consumer._subscription, consumer._fetcher
        if subscription.reassignment_in_progress:
            return []
        ready = [tp for tp in fetcher._records if tp in self._sessions]
        # Of one topic, whole batches from one partition after the other, in turn: a batch then holds more
        # records of each key. Of several, a share for each: a request waits for no other topic's backlog.
        least = self._least_share if len({tp.topic for tp in ready}) == 1 else 0
        turn, batches = self._turn, list[Batch]()
        for index in range(len(ready)):
            tp = ready[(index + turn) % len(ready)]
            share = min(max_records, max(least, -(-max_records // (len(ready) - index))))
            state = subscription.subscription.assignment.state_value(tp)
            if share <= 0:
                break
            self._turn += 1
            if state is None or not state.has_valid_position:
                continue
            start = state.position
            assignment, fetched = self._sessions.get(tp), fetcher._records.get(tp)
            # After a pause, see below, nothing need be as it was.
            if assignment is None or fetched is None or subscription.reassignment_in_progress:
                continue
            _make_records_directly(fetched, assignment.source.topic_uuid)
            try:
                # Without a time-out this does not give way to other tasks: nothing seeks in between.
                found = (await fetcher.fetched_records({tp}, timeout=0, max_records=share)).get(tp, [])
            except KafkaError as error:
                # Such as no right to read, or a record that is corrupt. Other partitions go on.
                log.error("a partition cannot be read: tried again", **tp._asdict(), because=repr(error))
                await asyncio.sleep(ERROR_PAUSE_S)
                continue
            if state.position != start:
                self._read[assignment] = fetched
                batches.append(Batch(assignment, start, state.position, found, state.highwater or 0))
                max_records -= len(found)
        return batches

    async def _confirmed(self, batches: Sequence[Batch]) -> list[Batch]:
        """Drop what was read by name, of a topic that is not the one its offsets were counted in.

        Asked after the fetch, and of the broker that served it, the answer holds for what was fetched, also
        for those that are handed out later.
        """
        unsure = [batch for batch in batches if not self._is_known(batch.assignment)]
        if not unsure:
            return list(batches)
        consumer = self._alive()
        topics: dict[int, set[str]] = {}
        for batch in unsure:
            source = batch.assignment.source
            leader = consumer._client.cluster.leader_for_partition(
                TopicPartition(source.topic, source.partition)
            )
            topics.setdefault(leader if leader is not None else -1, set()).add(source.topic)
        ids: dict[str, str] = {}
        try:
            for leader, asked in topics.items():
                ids |= await fetch_topic_ids(consumer._client, asked, node_id=None if leader < 0 else leader)
        except KafkaError as error:
            log.warning("records fetched are read again: their topic's id is not known", because=str(error))
            for batch in batches:
                self._seek_back(consumer, batch)
            return []
        confirmed = [
            batch
            for batch in batches
            if self._is_known(batch.assignment)
            or ids.get(batch.assignment.source.topic) == batch.assignment.source.topic_uuid
        ]
        if len(confirmed) < len(batches):
            for batch in unsure:
                # A topic that the answer lacks may be there again in a moment.
                if batch.assignment.source.topic not in ids:
                    self._seek_back(consumer, batch)
            self._on_doubt()
        for batch in confirmed:
            self._known[batch.assignment] = self._read.get(batch.assignment)
        return confirmed

    def _is_known(self, assignment: Assignment) -> bool:
        if TopicPartition(assignment.source.topic, assignment.source.partition) not in self._fetching.by_name:
            return True
        read = self._read.get(assignment)
        return read is not None and self._known.get(assignment) is read

    def _seek_back(self, consumer: aiokafka.AIOKafkaConsumer, batch: Batch) -> None:
        tp = TopicPartition(batch.assignment.source.topic, batch.assignment.source.partition)
        if self._sessions.get(tp) is batch.assignment and tp in consumer.assignment():
            consumer.seek(tp, batch.start)

    async def commit(self, offsets: Mapping[tuple[str, int], tuple[int, str]]) -> bool:
        """Commit offset and topic id by partition; False where Kafka has not taken them all."""
        consumer = self._consumer
        assigned = consumer.assignment()
        if not offsets or not assigned.issuperset(offsets):
            return False
        mine = {
            TopicPartition(*partition): acknowledged(offset, topic_uuid)
            for partition, (offset, topic_uuid) in offsets.items()
        }
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await consumer.commit(mine)
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            log.warning("not committed: tried again soon", group=consumer._group_id, because=repr(error))
            return False
        return True


def _make_records_directly(fetched: Any, topic_uuid: str) -> None:
    """Let what was fetched be unpacked into our records, not first into aiokafka's: a third of all time.

    Args:
        fetched: aiokafka's `FetchResult`, or a `FetchError`, which holds no records.
    """
    unpacked = getattr(fetched, "_partition_records", None)
    if unpacked is None:
        return

    def record_of(tp: TopicPartition, found: Any) -> Record:
        headers = tuple([(name, value or b"") for name, value in found.headers]) if found.headers else ()
        return Record(
            tp.topic, topic_uuid, tp.partition, found.offset, found.timestamp, found.key, found.value, headers
        )

    unpacked._consumer_record = record_of
