"""What the topics hold when the faults are over, and lists that are asked for then."""

from __future__ import annotations

import json
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from tests.faults.reference_profiles import Reference, SourceEvent
from tests.faults.world import World

Json = dict[str, Any]


def read_reference(bootstrap_servers: str, events: str) -> Reference:
    """The independent model of everything in the topic ``events``."""
    reference = Reference()
    reference.take(
        SourceEvent(record.partition, record.offset, record.timestamp, record.value or b"")
        for record in read_topic(bootstrap_servers, events)
    )
    return reference


def read_topic(bootstrap_servers: str, topic: str) -> Iterator[Any]:
    """Every record that is there now; those of one partition in order."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        auto_offset_reset="earliest",
        fetch_max_bytes=16 << 20,
    )
    try:
        partitions = [TopicPartition(topic, one) for one in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(one) < end for one, end in ends.items()):
            for records in consumer.poll(timeout_ms=500, max_records=5_000).values():
                yield from records
    finally:
        consumer.close()


def in_time(records: Iterable[Any]) -> list[Any]:
    """Records by time, those of one partition in their order whatever their clocks said."""
    until_ms: dict[int, int] = defaultdict(int)
    timed = []
    for record in records:
        until_ms[record.partition] = max(until_ms[record.partition], record.timestamp)
        timed.append((until_ms[record.partition], record))
    return [record for _, record in sorted(timed, key=lambda one: one[0])]


def ask(world: World, people: list[str], timeout_s: float = 180.0) -> list[Json]:
    """A list for each person, made now."""
    run = secrets.token_hex(4)
    wanted = {f"end-{run}-{number}": person for number, person in enumerate(people)}
    producer = KafkaProducer(bootstrap_servers=world.kafka.bootstrap_servers)
    for request_id, person in wanted.items():
        value = {"request_id": request_id, "user_id": person, "count": 100}
        producer.send(
            world.names.recommendation_requests, key=person.encode(), value=json.dumps(value).encode()
        )
    producer.flush(timeout=120.0)
    producer.close()
    deadline_s = time.monotonic() + timeout_s
    found: dict[str, Json] = {}
    while len(found) < len(wanted) and time.monotonic() < deadline_s:
        for record in read_topic(world.kafka.bootstrap_servers, world.names.recommendations):
            one = json.loads(record.value)
            if one["cause"]["id"] in wanted:
                found[one["cause"]["id"]] = one
        time.sleep(0.5)
    return list(found.values())
