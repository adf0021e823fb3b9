"""The load generator: events at a fixed rate, and every list read, in one event loop of this process."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.codec import encode
from streams.kafka_connection import aiokafka_arguments
from streams.messages import Event
from streams.settings import Settings
from workers.bench.arrivals import Due, Listed
from workers.bench.plain_loops import plain_producer

_READ_MS = 20


class _Cause(msgspec.Struct):
    kind: str
    id: str


class _List(msgspec.Struct):
    """What is read of a list: which events it covers."""

    user_id: str
    profile_version: int
    cause: _Cause


_decode_list = msgspec.json.Decoder(_List).decode


@dataclass
class Journal:
    """What was due, and what was read."""

    due: list[Due] = field(default_factory=list)
    listed: list[Listed] = field(default_factory=list)
    sent_late_s: list[float] = field(default_factory=list)


def read_list(value: bytes, at_s: float) -> Listed | None:
    """A list for an event; None for one that answers a request."""
    made = _decode_list(value)
    return Listed(made.user_id, made.profile_version, at_s) if made.cause.kind == "event" else None


def cause_of(value: bytes) -> str:
    """The id of the event or request that a list answers."""
    return _decode_list(value).cause.id


@asynccontextmanager
async def reading(
    settings: Settings, topic: str, take: Callable[[bytes, float], None]
) -> AsyncIterator[None]:
    """Read what is published to a topic from now on."""
    consumer = AIOKafkaConsumer(**aiokafka_arguments(settings.kafka), fetch_max_wait_ms=100)
    await consumer.start()
    try:
        # aiokafka's own answer knows the topics of a subscription only.
        known = await consumer._client.fetch_all_metadata()
        partitions = [TopicPartition(topic, one) for one in known.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        task = asyncio.create_task(_read(consumer, take))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        await consumer.stop()


async def _read(consumer: Any, take: Callable[[bytes, float], None]) -> None:
    while True:
        found = await consumer.getmany(timeout_ms=_READ_MS)
        now_s = time.monotonic()
        for records in found.values():
            for record in records:
                if record.value is not None:
                    take(record.value, now_s)


async def publish_at(
    settings: Settings,
    topic: str,
    offsets_s: Sequence[float],
    make: Callable[[], Event],
    versions: Counter[str],
    journal: Journal,
    count_from: int,
) -> None:
    """Publish an event at each offset from now; those from ``count_from`` on are entered in the journal.

    Args:
        versions: User → the version of their profile so far; kept current.
    """
    async with plain_producer(settings) as producer:
        started_s = time.monotonic()
        for number, offset_s in enumerate(offsets_s):
            due_s = started_s + offset_s
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            event = make()
            versions[event.user_id] += 1
            if number >= count_from:
                journal.due.append(Due(event.user_id, versions[event.user_id], due_s))
                journal.sent_late_s.append(time.monotonic() - due_s)
            await producer.send(topic, encode(event), key=event.user_id.encode())
        await producer.flush()


def now() -> datetime:
    """The load's clock."""
    return datetime.now(UTC)
