"""A Kafka of three nodes loses one, and gets it back: people's events go on having their effect, once.

What every profile and counter must be then is recomputed from the topic by the independent model.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from deploy.embedded import EmbeddedRedis
from streams.codec import decode_value
from streams.settings import load_settings
from streams.topic_admin import create_topics
from streams.topic_names import TopicNames
from streams.topics import PROFILES
from tests.faults.kafka_cluster import NODES, KafkaCluster
from tests.faults.load import ACTIONS
from tests.faults.popularity_books import popularity
from tests.faults.profile_books import profiles_in_redis, profiles_in_topic
from tests.faults.reading import read_reference
from workers.bench.catalogue import World
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.supervisor import Supervisor

PREFIX = "nodes."
PEOPLE, ITEMS = 20, 60
EVENTS_PER_S = 40
# Before a node is lost, while it is away, after it is back.
PHASES_S = (4.0, 12.0, 6.0)
DEADLINE_S = 300.0

pytestmark = pytest.mark.timeout(1_200)


class Topics:
    """What was written to some topics so far."""

    def __init__(self, servers: str, *topics: str) -> None:
        self._consumer = KafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
        self._consumer.assign(
            [TopicPartition(topic, one) for topic in topics for one in range(self._partitions(topic))]
        )
        self.values: dict[str, list[bytes]] = {topic: [] for topic in topics}

    def _partitions(self, topic: str) -> int:
        found = self._consumer.partitions_for_topic(topic)
        assert found, topic
        return len(found)

    def read(self) -> None:
        """What has come since."""
        for records in self._consumer.poll(timeout_ms=200).values():
            for record in records:
                if record.value is not None:
                    self.values[record.topic].append(record.value)

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    with KafkaCluster(tmp_path) as cluster:
        yield cluster


def leaders(servers: str, topic: str) -> list[int]:
    admin = KafkaAdminClient(bootstrap_servers=servers)
    try:
        (found,) = admin.describe_topics([topic])
        return [partition["leader_id"] for partition in found["partitions"]]
    finally:
        admin.close()


def test_a_node_that_is_lost_loses_nothing(cluster: KafkaCluster, tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "redis") as redis_server:
        flags: dict[str, Any] = {
            "kafka": {"bootstrap_servers": cluster.bootstrap_servers, "replication_factor": NODES},
            "redis": {"url": redis_server.url},
            "topics": {"prefix": PREFIX, "user_partitions": 6},
            # The new leader's list may take longer than the age that is worth one by default.
            "recommend": {"ranker": "base", "max_cause_age_s": 600.0},
        }
        settings = load_settings(**flags)
        names = TopicNames(settings.topics.prefix)
        space = fusion_in_use(settings, encoder_registry(settings))
        create_topics(settings, [space.space])
        producer = KafkaProducer(bootstrap_servers=cluster.bootstrap_servers, acks="all", retries=100)
        for item in World(ITEMS, space.dimension, PEOPLE).vectors(names.item_vectors(space.space)):
            producer.send(item.topic, key=item.key, value=item.value)
        producer.flush()
        topics = Topics(cluster.bootstrap_servers, names.profiles, names.recommendations)
        with Supervisor(flags=flags, log_folder=tmp_path / "logs") as supervisor:
            for role in ("profile", "recommend"):
                supervisor.start(role)
            supervisor.wait_ready()
            sent: Counter[str] = Counter()
            for phase, seconds in enumerate(PHASES_S):
                if phase == 1:
                    lost = Counter(leaders(cluster.bootstrap_servers, names.events)).most_common(1)[0][0]
                    cluster.kill(lost - 1)
                elif phase == 2:
                    deadline = time.monotonic() + DEADLINE_S
                    # Kafka gives a node up after some seconds, on a busy machine after more.
                    while lost in leaders(cluster.bootstrap_servers, names.events):
                        assert time.monotonic() < deadline, "it was not felt"
                        sent += act(producer, names.events, 1.0, first=sum(sent.values()))
                    cluster.start(lost - 1)
                sent += act(producer, names.events, seconds, first=sum(sent.values()))
            producer.flush()
            versions: dict[str, int] = {}
            listed: dict[str, int] = {}
            deadline = time.monotonic() + DEADLINE_S
            while versions != sent or listed != sent:
                assert time.monotonic() < deadline, (sent - Counter(versions), sent - Counter(listed))
                topics.read()
                changes = [decode_value(one, PROFILES) for one in topics.values[names.profiles]]
                versions = newest({one.user_id: one.version} for one in changes)
                lists = [json.loads(one) for one in topics.values[names.recommendations]]
                listed = newest({one["user_id"]: one["profile_version"]} for one in lists)
            assert all(one["complete"] for one in lists)
        reference = read_reference(cluster.bootstrap_servers, names.events)
        assert reference.event_ids == {f"event-{number}" for number in range(sum(sent.values()))}
        assert not reference.broken
        with redis_client.Redis.from_url(redis_server.url) as redis:
            counters: Any = redis.hgetall(f"{PREFIX}popularity")
            checks = [
                profiles_in_redis(reference.profiles, redis, PREFIX),
                profiles_in_topic(reference.profiles, topics.values[names.profiles]),
                popularity(reference, counters, was_emptied=False),
            ]
        assert [check for check in checks if not check.holds] == []
        topics.close()
        producer.close()


def act(producer: KafkaProducer, topic: str, seconds: float, *, first: int) -> Counter[str]:
    """Events at a rate; how many of each person."""
    sent: Counter[str] = Counter()
    began = time.monotonic()
    for number in range(round(seconds * EVENTS_PER_S)):
        time.sleep(max(0.0, began + number / EVENTS_PER_S - time.monotonic()))
        user_id = f"person-{number % PEOPLE}"
        action, value = ACTIONS[(first + number) // PEOPLE % len(ACTIONS)]
        event: dict[str, Any] = {
            "event_id": f"event-{first + number}",
            "user_id": user_id,
            "item_id": f"item-{(first + number) * 7 % ITEMS}",
            "action": action,
            "occurred_at": datetime.now(UTC).isoformat(),
        }
        if value is not None:
            event["value"] = value
        producer.send(topic, key=user_id.encode(), value=json.dumps(event).encode())
        sent[user_id] += 1
    return sent


def newest(found: Iterator[dict[str, int]]) -> dict[str, int]:
    """The greatest version of each person."""
    held: dict[str, int] = {}
    for one in found:
        for user_id, version in one.items():
            held[user_id] = max(held.get(user_id, 0), version)
    return held
