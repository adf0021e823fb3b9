"""The baselines: what anybody would write with aiokafka and nothing else.

They give what Freshet gives, at least once: an offset is committed after the effect of all before it, and an
output counts once Kafka has acknowledged it (`acks=all`, idempotent producer). Like Freshet's driver they
read up to 500 records at a time with `getmany`, which is faster than `async for`, decode each record's JSON
once, and commit once a second. What they lack: groups that survive, fences, budgets, dead letters, pauses.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from models.profile import ProfileEvent, apply_events, encode_profile
from streams.internal_messages import AppliedEvent, EventCause, ProfileChanged
from streams.kafka_connection import aiokafka_arguments
from streams.messages import Event
from streams.records import Record
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.bench.clock import Clock, Taken
from workers.model_settings import transition_settings
from workers.state.profile import profile_key, stored_profile
from workers.state.redis_store import RedisStateStore
from workers.state.store import (
    MISSING,
    VERSION_BYTES,
    CounterIncrement,
    FenceMove,
    StateChange,
    Write,
    pack_version,
)

BATCH_RECORDS = 500
COMMIT_INTERVAL_S = 1.0
_WAIT_MS = 1_000

Work = Callable[[Sequence[ConsumerRecord]], Awaitable[None]]


class SmallEvent(msgspec.Struct):
    """What a counting or echoing loop decodes of an event."""

    event_id: str
    user_id: str
    item_id: str
    action: str


decode_small = msgspec.json.Decoder(SmallEvent).decode


@asynccontextmanager
async def plain_consumer(settings: Settings, topics: Sequence[str], group: str) -> AsyncIterator[Any]:
    """A consumer in a group, from the start of its topics."""
    consumer = AIOKafkaConsumer(
        *topics,
        **aiokafka_arguments(settings.kafka),
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


@asynccontextmanager
async def plain_producer(settings: Settings) -> AsyncIterator[Any]:
    """A producer with the guarantees of Freshet's."""
    producer = AIOKafkaProducer(
        **aiokafka_arguments(settings.kafka), acks="all", enable_idempotence=True, max_batch_size=1 << 20
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def consume(settings: Settings, topics: Sequence[str], work: Work, records: int | None = None) -> Taken:
    """Do the work on ``records`` records, or until cancelled, and commit after the effect."""
    clock, done = Clock(), 0
    async with plain_consumer(settings, topics, f"{settings.topics.prefix}plain-{topics[0]}") as consumer:
        committed_s = time.monotonic()
        while records is None or done < records:
            batches = await consumer.getmany(timeout_ms=_WAIT_MS, max_records=BATCH_RECORDS)
            found = [record for batch in batches.values() for record in batch]
            if not found:
                continue
            clock.start()
            await work(found)
            done += len(found)
            if time.monotonic() - committed_s >= COMMIT_INTERVAL_S:
                await consumer.commit()
                committed_s = time.monotonic()
        taken = clock.taken(done)
        await consumer.commit()
    return taken


async def publish_all(producer: Any, records: Sequence[tuple[str, bytes | None, bytes | None]]) -> None:
    """Publish (topic, key, value), and wait until all are acknowledged."""
    sent = [await producer.send(topic, value, key=key) for topic, key, value in records]
    await asyncio.gather(*sent)


async def count(settings: Settings, topic: str, records: int) -> Taken:
    """In: decode each event."""

    async def work(found: Sequence[ConsumerRecord]) -> None:
        for record in found:
            decode_small(record.value)

    return await consume(settings, [topic], work, records)


async def echo(settings: Settings, topic: str, target: str, records: int | None = None) -> Taken:
    """One in, one out: decode each event, and publish it again."""
    async with plain_producer(settings) as producer:

        async def work(found: Sequence[ConsumerRecord]) -> None:
            for record in found:
                decode_small(record.value)
            await publish_all(producer, [(target, record.key, record.value) for record in found])

        return await consume(settings, [topic], work, records)


async def update_profiles(settings: Settings, records: int) -> Taken:
    """The profile role's work with the same three commands to Redis, in a straight line."""
    topics = TopicNames(settings.topics.prefix)
    store = RedisStateStore(settings.redis, settings.topics.prefix)
    transitions = transition_settings(settings.profile)
    half_life_s = settings.recommend.popularity_half_life_days * 86_400.0
    decode, pack = msgspec.json.Decoder(Event).decode, msgspec.msgpack.encode
    async with plain_producer(settings) as producer:

        async def work(found: Sequence[ConsumerRecord]) -> None:
            by_user: dict[str, list[Event]] = {}
            reached: dict[str, int] = {}
            for record in found:
                event = decode(record.value)
                by_user.setdefault(event.user_id, []).append(event)
                reached[f"{record.topic}:{record.partition}"] = record.offset + 1
            fences = await store.fences("plain", list(reached))
            stored = await store.load([profile_key(user_id) for user_id in by_user])
            writes, increments, outgoing = [], [], []
            for (user_id, events), value in zip(by_user.items(), stored, strict=True):
                profile, effects = apply_events(
                    stored_profile(user_id, value),
                    [
                        ProfileEvent(
                            one.event_id,
                            one.item_id,
                            one.action,
                            round(one.occurred_at.timestamp() * 1_000),
                            one.value,
                        )
                        for one in events
                    ],
                    transitions,
                )
                encoded = encode_profile(profile)
                expected = MISSING if value is None else value[:VERSION_BYTES]
                writes.append(Write(profile_key(user_id), expected, pack_version(profile.version) + encoded))
                increments += [
                    CounterIncrement(event.item_id, effect.weight, event.occurred_at.timestamp())
                    for event, effect in zip(events, effects, strict=True)
                ]
                last = events[-1]
                message = ProfileChanged(
                    user_id=user_id,
                    version=profile.version,
                    cause=EventCause(
                        event_id=last.event_id, occurred_at=last.occurred_at, published_at=last.occurred_at
                    ),
                    state=encoded,
                    applied=[
                        AppliedEvent(
                            event_id=event.event_id,
                            item_id=event.item_id,
                            action=event.action,
                            weight=effect.weight,
                            occurred_at=event.occurred_at,
                        )
                        for event, effect in zip(events, effects, strict=True)
                    ],
                )
                outgoing.append((topics.profiles, user_id.encode(), pack(message)))
            moves = [
                FenceMove(source, fence, offset)
                for (source, offset), fence in zip(reached.items(), fences, strict=True)
            ]
            change = StateChange(
                fences=moves, writes=writes, increments=increments, counter_half_life_s=half_life_s
            )
            if not await store.commit("plain", change):
                raise RuntimeError("somebody else changes the state of this benchmark")
            await publish_all(producer, outgoing)

        try:
            return await consume(settings, [topics.events], work, records)
        finally:
            await store.aclose()


class _Loan:
    """A record on loan to a role, without the driver."""

    __slots__ = ("_on_done", "record")

    def __init__(self, record: Record, on_done: Callable[[], None]) -> None:
        self.record = record
        self._on_done = on_done

    def done(self) -> None:
        self._on_done()


async def drive_role(
    settings: Settings, topics: Sequence[str], uuids: dict[str, str], processor: Any, records: int
) -> Taken:
    """A role's own work around a plain loop: what differs from a worker is the driver and the metrics."""
    finished = asyncio.Event()
    left = 0

    def one_done() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            finished.set()

    async def work(found: Sequence[ConsumerRecord]) -> None:
        nonlocal left
        finished.clear()
        left = len(found)
        await processor.process(
            [
                _Loan(
                    Record(
                        record.topic,
                        uuids[record.topic],
                        record.partition,
                        record.offset,
                        record.timestamp,
                        record.key,
                        record.value,
                        tuple(record.headers),
                    ),
                    one_done,
                )
                for record in found
            ]
        )
        await finished.wait()

    await processor.start()
    try:
        return await consume(settings, topics, work, records)
    finally:
        await processor.stop()


class PlainPublisher:
    """The port that a role publishes through, on a plain producer."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer

    async def publish(self, records: Sequence[Any]) -> None:
        """See `workers.ports.Publisher`."""
        sent = []
        for record in records:
            partition = record.partition
            if partition is not None:
                partition %= len(await self._producer.partitions_for(record.topic))
            sent.append(
                await self._producer.send(
                    record.topic,
                    record.value,
                    key=record.key,
                    partition=partition,
                    headers=list(record.headers),
                )
            )
        await asyncio.gather(*sent)
