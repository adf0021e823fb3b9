"""Following topics from near their ends, on a real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from tests.conftest import KafkaServer
from tests.integration.driver_helpers import create_topic, settings_for, until
from workers.console import topics_tail
from workers.console.topics_tail import Tailed, TopicsTail


async def publish(servers: str, topic: str, partition: int, values: Sequence[str]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value.encode(), partition=partition)
    finally:
        await producer.stop()


def taker(into: list[str]) -> object:
    def take(records: Sequence[ConsumerRecord]) -> None:
        into.extend(record.value.decode() for record in records)

    return take


async def test_it_begins_with_the_newest_and_misses_nothing_afterwards(
    kafka: KafkaServer, topic_prefix: str
) -> None:
    servers = kafka.bootstrap_servers
    one, two = f"{topic_prefix}one", f"{topic_prefix}two"
    await create_topic(servers, one, 2)
    await create_topic(servers, two, 1)
    for partition in range(2):
        await publish(servers, one, partition, [f"{partition}-{n}" for n in range(10)])
    await publish(servers, two, 0, ["before"])
    first: list[str] = []
    second: list[str] = []
    tail = TopicsTail(
        settings_for(servers, ""),
        "test",
        [Tailed(one, taker(first), 6), Tailed(two, taker(second))],  # type: ignore[arg-type]
    )
    await tail.start()
    try:
        await publish(servers, two, 0, ["after"])
        await until(lambda: second == ["after"] and len(first) == 6, "the newest")
        assert sorted(first) == ["0-7", "0-8", "0-9", "1-7", "1-8", "1-9"]
        await publish(servers, one, 1, ["1-10"])
        await until(lambda: first[-1] == "1-10", "what came after")
    finally:
        await tail.stop()


async def test_what_piles_up_is_passed_over_and_counted(
    kafka: KafkaServer, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics_tail, "MAX_BEHIND_RECORDS", 50)
    monkeypatch.setattr(topics_tail, "READ_RECORDS", 1)
    monkeypatch.setattr(topics_tail, "CHECK_S", 0.05)
    servers, topic = kafka.bootstrap_servers, f"{topic_prefix}much"
    await create_topic(servers, topic, 1)
    taken: list[str] = []
    tail = TopicsTail(settings_for(servers, ""), "test", [Tailed(topic, taker(taken))])  # type: ignore[arg-type]
    await tail.start()
    try:
        producer = AIOKafkaProducer(bootstrap_servers=servers, linger_ms=50)
        await producer.start()
        for n in range(20_000):
            await producer.send(topic, str(n).encode(), partition=0)
        await producer.stop()
        await until(lambda: tail.skipped_records > 0, "skipping")
        published, deadline_s = 20_000, monotonic() + 60
        while not taken or taken[-1] != "last":
            # One that comes while many are still behind is passed over with them.
            assert monotonic() < deadline_s, "the newest is never read"
            await publish(servers, topic, 0, ["last"])
            published += 1
            await asyncio.sleep(0.2)
        await until(lambda: len(taken) + tail.skipped_records == published, "every record in one of the two")
    finally:
        await tail.stop()


async def test_topics_may_come_later(
    kafka: KafkaServer, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics_tail, "CHECK_S", 0.05)
    servers, topic = kafka.bootstrap_servers, f"{topic_prefix}later"
    taken: list[str] = []
    tail = TopicsTail(settings_for(servers, ""), "test", [Tailed(topic, taker(taken), 10)])  # type: ignore[arg-type]
    await tail.start()
    try:
        await create_topic(servers, topic, 2)
        await publish(servers, topic, 1, ["first"])
        await until(lambda: taken == ["first"], "what came with the topic")
    finally:
        await tail.stop()
