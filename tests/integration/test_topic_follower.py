"""Following a whole topic on a real Kafka: what was there is the start, everything else comes after."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from deploy.embedded import EmbeddedKafka
from tests.conftest import KafkaServer
from tests.integration.driver_helpers import create_topic, settings_for, until
from workers.topic_follower import TopicFollower

PARTITIONS = 3


class Reading:
    """A follower that notes what it takes, and where the start ended."""

    def __init__(self, servers: str, topic: str, **options: object) -> None:
        self.taken: list[tuple[int, int]] = []
        self.start_records = -1
        self.reads = 0
        self.follower = TopicFollower(
            settings_for(servers, ""), topic, self._take, on_caught_up=self._caught_up, **options
        )

    def _take(self, records: Sequence[ConsumerRecord]) -> None:
        self.reads += 1
        self.taken += [(record.partition, record.offset) for record in records]

    def _caught_up(self) -> None:
        self.start_records = len(self.taken)


async def publish(servers: str, topic: str, partition: int, records: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    try:
        for number in range(records):
            await producer.send_and_wait(topic, str(number).encode(), partition=partition)
    finally:
        await producer.stop()


@pytest.mark.parametrize("batch_records", [1, 7, 2_000])
async def test_the_start_is_what_was_there_and_no_record_is_lost_or_taken_twice(
    kafka: KafkaServer, topic_prefix: str, batch_records: int
) -> None:
    servers, topic = kafka.bootstrap_servers, f"{topic_prefix}{batch_records}"
    await create_topic(servers, topic, PARTITIONS)
    for partition, records in enumerate((5, 0, 12)):
        await publish(servers, topic, partition, records)
    reading = Reading(servers, topic, batch_records=batch_records)
    await reading.follower.start()
    try:
        assert reading.start_records == 17
        for partition in range(PARTITIONS):
            await publish(servers, topic, partition, 4)
        await until(lambda: len(reading.taken) >= 29, "the rest")
        assert sorted(reading.taken) == [
            (partition, offset) for partition, end in enumerate((9, 4, 16)) for offset in range(end)
        ]
        assert reading.follower.positions == {0: 9, 1: 4, 2: 16}
    finally:
        await reading.follower.stop()


async def test_the_start_may_end_earlier_and_a_gate_holds_what_follows(
    kafka: KafkaServer, topic_prefix: str
) -> None:
    servers, topic = kafka.bootstrap_servers, f"{topic_prefix}gate"
    await create_topic(servers, topic, 2)
    for partition in range(2):
        await publish(servers, topic, partition, 10)
    gate = asyncio.Event()
    gate.set()
    reading = Reading(servers, topic, until={0: 4, 1: 99}, gate=gate)
    await reading.follower.start()
    try:
        assert reading.start_records == 14
        assert sorted(reading.taken[:14]) == [*((0, n) for n in range(4)), *((1, n) for n in range(10))]
        await until(lambda: len(reading.taken) == 20, "what is after the start")
        assert sorted(reading.taken) == [(partition, n) for partition in range(2) for n in range(10)]
        gate.clear()
        await asyncio.sleep(0.5)
        await publish(servers, topic, 0, 1)
        await asyncio.sleep(0.5)
        assert len(reading.taken) == 20
        gate.set()
        await until(lambda: len(reading.taken) == 21, "what the gate held")
    finally:
        await reading.follower.stop()


async def test_of_a_long_start_the_newest_are_read(kafka: KafkaServer, topic_prefix: str) -> None:
    servers, topic = kafka.bootstrap_servers, f"{topic_prefix}newest"
    await create_topic(servers, topic, PARTITIONS)
    for partition, records in enumerate((10, 0, 3)):
        await publish(servers, topic, partition, records)
    reading = Reading(servers, topic, start_records=6)
    await reading.follower.start()
    try:
        # Two thirds of the six, of each partition, where it has so many.
        newest = [*((0, n) for n in range(6, 10)), *((2, n) for n in range(3))]
        assert sorted(reading.taken) == newest
        assert reading.start_records == 7
        await publish(servers, topic, 1, 9)
        await until(lambda: len(reading.taken) == 16, "all that is after the start")
        assert sorted(reading.taken) == sorted([*newest, *((1, n) for n in range(9))])
    finally:
        await reading.follower.stop()
    reading = Reading(servers, topic, start_records=3, until={0: 5, 1: 0, 2: 0})
    await reading.follower.start()
    try:
        assert sorted(reading.taken)[: reading.start_records] == [(0, 3), (0, 4)]
        await until(lambda: len(reading.taken) == 2 + 5 + 9 + 3, "what is after the start")
    finally:
        await reading.follower.stop()


async def test_what_comes_one_by_one_is_gathered(kafka: KafkaServer, topic_prefix: str) -> None:
    servers, topic = kafka.bootstrap_servers, f"{topic_prefix}gather"
    await create_topic(servers, topic, 1)
    await publish(servers, topic, 0, 3)
    reading = Reading(servers, topic, gather_s=3.0, batch_records=1)
    await reading.follower.start()
    try:
        assert reading.start_records == 3, "nothing waits at the start"
        await publish(servers, topic, 0, 60)
        await until(lambda: len(reading.taken) == 63, "what is waiting, without a pause after each full read")
    finally:
        await reading.follower.stop()

    reading = Reading(servers, topic, gather_s=3.0)
    await reading.follower.start()
    try:
        await publish(servers, topic, 0, 1)
        await until(lambda: len(reading.taken) == 64, "the next")
        reads, begun_s = reading.reads, monotonic()
        await publish(servers, topic, 0, 10)
        await until(lambda: len(reading.taken) == 74, "what was gathered")
        # What was fetched before the pause may come apart from what came in it. However long it all takes.
        assert reading.reads - reads <= 2 + (monotonic() - begun_s) // 3.0
    finally:
        await reading.follower.stop()


async def test_a_batch_that_cannot_be_taken_is_read_again(kafka: KafkaServer, topic_prefix: str) -> None:
    servers, topic = kafka.bootstrap_servers, f"{topic_prefix}fails"
    await create_topic(servers, topic, 1)
    reading = Reading(servers, topic)
    take, failures = reading._take, iter([ValueError("once")])

    def fail_once(records: Sequence[ConsumerRecord]) -> None:
        for failure in failures:
            raise failure
        take(records)

    reading.follower._take = fail_once
    await reading.follower.start()
    try:
        await publish(servers, topic, 0, 3)
        await until(lambda: len(reading.taken) == 3, "what could not be taken at first")
        assert sorted(reading.taken) == [(0, 0), (0, 1), (0, 2)]
    finally:
        await reading.follower.stop()


async def test_a_killed_kafka_that_comes_back_is_followed_on(tmp_path: Path) -> None:
    with EmbeddedKafka(tmp_path) as kafka:
        await create_topic(kafka.bootstrap_servers, "topic", 1)
        reading = Reading(kafka.bootstrap_servers, "topic")
        await reading.follower.start()
        await publish(kafka.bootstrap_servers, "topic", 0, 3)
        await until(lambda: len(reading.taken) == 3, "what was published before")
        kafka.kill()
        # Until it has noticed, and tried again in vain: then it ends one consumer and makes another.
        await asyncio.sleep(8.0)
        kafka.start()
        await publish(kafka.bootstrap_servers, "topic", 0, 3)
        await until(lambda: len(reading.taken) == 6, "what was published after")
        await reading.follower.stop()
