"""The publisher on a real Kafka."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.partitioner import DefaultPartitioner

from deploy.embedded.ports import free_port
from streams.errors import BadInputError, DefectError, DependencyDownError
from streams.producer import Publisher, RecordTooLargeError
from streams.records import Outgoing
from streams.settings import load_settings
from tests.integration.driver_helpers import consumer, create_topic, settings_for


async def read(servers: str, topic: str, count: int) -> list[object]:
    found: list[object] = []
    async with consumer(servers, auto_offset_reset="earliest", max_partition_fetch_bytes=10 << 20) as made:
        made.subscribe([topic])
        while len(found) < count:
            records = await asyncio.wait_for(made.getmany(timeout_ms=1_000), 60)
            found += [record for batch in records.values() for record in batch]
    return found


async def test_all_is_acknowledged_in_order_and_partitioned_by_murmur2(kafka, topic_prefix: str) -> None:
    topic = topic_prefix + "out"
    await create_topic(kafka.bootstrap_servers, topic, 4)
    outgoing = [
        Outgoing(topic, b"user-%d" % (n % 7), b"%d" % n, headers=(("cause", b"%d" % n),))
        for n in range(2_000)
    ]
    async with Publisher(settings_for(kafka.bootstrap_servers, topic_prefix)) as publisher:
        await publisher.publish([])
        await publisher.publish(outgoing)
        # `publish` has returned, so all of it can be read.
        records = await read(kafka.bootstrap_servers, topic, 2_000)
        await publisher.publish([Outgoing(topic, None, b"0", partition=2), Outgoing(topic, b"gone", None)])
        with pytest.raises(DefectError):
            await publisher.publish([Outgoing(topic, None, None)])
    by_key: dict[bytes, list[int]] = {}
    for record in records:
        assert record.partition == DefaultPartitioner()(record.key, [0, 1, 2, 3], [0, 1, 2, 3])
        assert record.headers == (("cause", record.value),)
        by_key.setdefault(record.key, []).append(int(record.value))
    assert by_key == {b"user-%d" % k: list(range(k, 2_000, 7)) for k in range(7)}
    everything = [
        (record.key, record.value, record.partition)
        for record in await read(kafka.bootstrap_servers, topic, 2_002)
    ]
    assert (None, b"0", 2) in everything
    assert [value for key, value, _ in everything if key == b"gone"] == [None]


async def test_a_record_too_large_is_refused_and_the_others_are_published(kafka, topic_prefix: str) -> None:
    topic, small = topic_prefix + "out", topic_prefix + "small"
    await create_topic(kafka.bootstrap_servers, topic, 1, **{"max.message.bytes": str(8 << 20)})
    await create_topic(kafka.bootstrap_servers, small, 1, **{"max.message.bytes": "1000"})
    async with Publisher(settings_for(kafka.bootstrap_servers, topic_prefix)) as publisher:
        huge = Outgoing(topic, b"huge", b"x" * (9 << 20))
        large = Outgoing(topic, b"large", b"y" * ((8 << 20) - 200))
        with pytest.raises(RecordTooLargeError) as caught:
            await publisher.publish([Outgoing(topic, b"a", b"1"), huge, large, Outgoing(topic, b"b", b"2")])
        assert isinstance(caught.value, BadInputError)
        assert caught.value.refused == (huge,)
        assert "huge" in caught.value.detail
        # The broker's own limit is the topic's.
        over = Outgoing(small, b"over", b"z" * 5_000)
        with pytest.raises(RecordTooLargeError) as caught:
            await publisher.publish([over, Outgoing(topic, b"c", b"3")])
        assert caught.value.refused == (over,)
        await publisher.publish([Outgoing(small, b"d", b"4")])
    assert [record.key for record in await read(kafka.bootstrap_servers, topic, 4)] == [
        b"a",
        b"large",
        b"b",
        b"c",
    ]
    assert [record.key for record in await read(kafka.bootstrap_servers, small, 1)] == [b"d"]


async def test_a_partition_beyond_those_of_the_topic_is_taken_modulo(kafka, topic_prefix: str) -> None:
    topic = topic_prefix + "few"
    await create_topic(kafka.bootstrap_servers, topic, 3)
    async with Publisher(settings_for(kafka.bootstrap_servers, topic_prefix)) as publisher:
        await publisher.publish([Outgoing(topic, b"%d" % n, b"", partition=n) for n in (1, 4, 11)])
    found = {record.key: record.partition for record in await read(kafka.bootstrap_servers, topic, 3)}
    assert found == {b"1": 1, b"4": 1, b"11": 2}


async def test_kafka_away_is_a_dependency_down(topic_prefix: str) -> None:
    settings = load_settings(
        kafka={"bootstrap_servers": f"127.0.0.1:{free_port()}", "request_timeout_s": 1.0}
    )
    async with Publisher(settings) as publisher:
        for _ in range(2):
            with pytest.raises(DependencyDownError, match="does not acknowledge"):
                await publisher.publish([Outgoing(topic_prefix + "out", b"a", b"1")])


async def test_a_topic_that_is_not_there_is_a_dependency_down(kafka, topic_prefix: str) -> None:
    settings = load_settings(kafka={"bootstrap_servers": kafka.bootstrap_servers, "request_timeout_s": 10.0})
    async with Publisher(settings) as publisher:
        with pytest.raises(DependencyDownError):
            await publisher.publish([Outgoing(topic_prefix + "nowhere", b"a", b"1")])
        await create_topic(kafka.bootstrap_servers, topic_prefix + "nowhere", 1)
        await publisher.publish([Outgoing(topic_prefix + "nowhere", b"a", b"2")])
    assert [record.value for record in await read(kafka.bootstrap_servers, topic_prefix + "nowhere", 1)] == [
        b"2"
    ]
