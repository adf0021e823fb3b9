"""Publishing to Kafka: `Publisher.publish` returns when Kafka has acknowledged every record."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any, NamedTuple, Self

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from aiokafka.partitioner import murmur2

from streams.errors import DefectError, DependencyDownError, InvalidError
from streams.kafka_connection import aiokafka_arguments
from streams.records import Outgoing
from streams.settings import Settings

MAX_RECORD_BYTES = 8 << 20
# Room for key, headers and framing beside a value of the largest size that topics allow.
MAX_REQUEST_BYTES = MAX_RECORD_BYTES + (64 << 10)
MAX_BATCH_BYTES = 256 << 10
MAX_PENDING_BYTES = 64 << 20
# So many records of one call are put into batches here, each with one acknowledgement. For fewer it does not
# pay, and aiokafka joins records of overlapping calls in one batch.
BATCH_FROM_RECORDS = 16
# Keys whose partition is remembered: murmur2 is Python, and the same people come again and again.
_REMEMBERED_KEYS = 100_000
# Longer ones are not people's: keys of dead letters may be anything.
_REMEMBERED_KEY_BYTES = 128

log = structlog.get_logger(__name__)


class RecordTooLargeError(InvalidError):
    """Records that Kafka will not take. ``refused`` holds them; all others of the call are published."""

    def __init__(self, detail: str, refused: Sequence[Outgoing]) -> None:
        super().__init__(detail)
        self.refused = tuple(refused)


class Publisher:
    """An idempotent producer: acknowledged by all in-sync replicas, partitioned by murmur2 of the key.

    Use it as an async context manager. Calls may overlap; what is not yet acknowledged is bounded, beyond it
    `publish` waits.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._pending_bytes = 0
        self._room = asyncio.Condition()

    async def __aenter__(self) -> Self:
        """Check the settings. The connection is made at the first `publish`: Kafka may be away now.

        Raises:
            ConfigurationError: The settings cannot work.
        """
        aiokafka_arguments(self._settings.kafka)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is pending, and close."""
        await self._discard(self._producer)

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Publish records; those of one partition stay in order.

        Raises:
            RecordTooLargeError: Some are too large for Kafka; the others are published.
            DependencyDownError: Kafka did not acknowledge within its time-out. Any of the records may be
                published: publish all of them again.
            DefectError: A record has neither key nor value.
        """
        if not records:
            return
        if any(record.key is None and record.value is None for record in records):
            raise DefectError("a record to publish has neither key nor value")
        size_bytes = sum(_size_bytes(record) for record in records)
        async with self._room:
            # One call larger than the bound passes alone.
            await self._room.wait_for(
                lambda: not self._pending_bytes or self._pending_bytes + size_bytes <= MAX_PENDING_BYTES
            )
            self._pending_bytes += size_bytes
        try:
            await self._publish(records)
        finally:
            async with self._room:
                self._pending_bytes -= size_bytes
                self._room.notify_all()

    async def _publish(self, records: Sequence[Outgoing]) -> None:
        refused: list[Outgoing] = []
        sent: list[_Sent] = []
        producer = None
        try:
            producer = await self._started()
            if len(records) < BATCH_FROM_RECORDS:
                await _send_each(producer, records, sent, refused)
            else:
                await _send_batches(producer, records, sent, refused)
            outcomes = await asyncio.gather(*[one.acknowledgement for one in sent], return_exceptions=True)
        except (KafkaError, OSError) as error:
            for one in sent:
                one.acknowledgement.cancel()
            outcomes = [error]
        failure: BaseException | None = None
        for position, outcome in enumerate(outcomes):
            if isinstance(outcome, MessageSizeTooLargeError | RecordListTooLargeError):
                refused.extend(sent[position].records)
            elif isinstance(outcome, BaseException):
                failure = outcome
        if failure is not None:
            if not isinstance(failure, KafkaError | OSError):
                raise failure
            # A producer whose sequence of records has a hole takes no more: the next call makes another.
            await self._discard(producer)
            raise DependencyDownError(
                f"Kafka at {self._settings.kafka.bootstrap_servers} does not acknowledge records for "
                f"{', '.join(sorted({record.topic for record in records}))}: {failure!r}"
            ) from failure
        if refused:
            raise RecordTooLargeError(
                f"{len(refused)} of {len(records)} records are too large for Kafka, the first has "
                f"{_size_bytes(refused[0])} bytes for {refused[0].topic} (key {refused[0].key!r:.80}); "
                f"the limit is {MAX_RECORD_BYTES} or the topic's max.message.bytes",
                refused,
            )

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **aiokafka_arguments(self._settings.kafka),
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=0,
                    max_batch_size=MAX_BATCH_BYTES,
                    max_request_size=MAX_REQUEST_BYTES,
                )
                try:
                    async with asyncio.timeout(self._settings.kafka.request_timeout_s):
                        await producer.start()
                except BaseException:
                    await _close(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _discard(self, producer: AIOKafkaProducer | None) -> None:
        if producer is not None and self._producer is producer:
            self._producer = None
            await _close(producer)


class _Sent(NamedTuple):
    """What one acknowledgement is for."""

    acknowledgement: asyncio.Future[object]
    records: Sequence[Outgoing]


async def _send_each(
    producer: AIOKafkaProducer, records: Sequence[Outgoing], sent: list[_Sent], refused: list[Outgoing]
) -> None:
    """Hand records to aiokafka one by one."""
    for record in records:
        partition = record.partition
        if partition is not None:
            partition %= len(await producer.partitions_for(record.topic))
        try:
            acknowledgement = await producer.send(
                record.topic, record.value, key=record.key, partition=partition, headers=list(record.headers)
            )
        except (MessageSizeTooLargeError, RecordListTooLargeError):
            refused.append(record)
        else:
            sent.append(_Sent(acknowledgement, (record,)))


async def _send_batches(
    producer: AIOKafkaProducer, records: Sequence[Outgoing], sent: list[_Sent], refused: list[Outgoing]
) -> None:
    """Hand records to aiokafka in batches of a partition; those of one partition stay in order."""
    partitions = {
        topic: len(await producer.partitions_for(topic)) for topic in {one.topic for one in records}
    }
    by_partition: dict[tuple[str, int | None], list[Outgoing]] = {}
    for record in records:
        partition: int | None = None
        if record.partition is not None:
            partition = record.partition % partitions[record.topic]
        elif record.key is not None:
            hash_of = _hash_of if len(record.key) <= _REMEMBERED_KEY_BYTES else _hash_of.__wrapped__
            partition = hash_of(record.key) % partitions[record.topic]
        by_partition.setdefault((record.topic, partition), []).append(record)
    for (topic, partition), own in by_partition.items():
        # A record alone too large for a batch has limits of its own, which `send` checks.
        if partition is None or max(map(_size_bytes, own)) > MAX_BATCH_BYTES // 2:
            await _send_each(producer, own, sent, refused)
            continue
        start, batch = 0, producer.create_batch()
        for position, record in enumerate(own):
            if not _append(batch, record):
                await _send_batch(producer, batch, topic, partition, own[start:position], sent)
                start, batch = position, producer.create_batch()
                _append(batch, record)
        await _send_batch(producer, batch, topic, partition, own[start:], sent)


def _append(batch: Any, record: Outgoing) -> bool:
    """Whether the batch had room."""
    headers = list(record.headers) if record.headers else []
    return batch.append(timestamp=None, key=record.key, value=record.value, headers=headers) is not None


async def _send_batch(
    producer: AIOKafkaProducer,
    batch: Any,
    topic: str,
    partition: int,
    records: Sequence[Outgoing],
    sent: list[_Sent],
) -> None:
    batch.close()
    sent.append(_Sent(await producer.send_batch(batch, topic, partition=partition), records))


@lru_cache(_REMEMBERED_KEYS)
def _hash_of(key: bytes) -> int:
    """What the partition of a key is taken from, as Java's producer does."""
    return int(murmur2(key) & 0x7FFFFFFF)


async def _close(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(10.0):
            await producer.stop()
    except (KafkaError, OSError, TimeoutError) as error:
        log.warning("a Kafka producer did not close in order", because=repr(error))


def _size_bytes(record: Outgoing) -> int:
    return len(record.key or b"") + len(record.value or b"")
