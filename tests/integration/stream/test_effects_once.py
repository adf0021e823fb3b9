"""Workers come, go, are killed; topics and state change under them: every event has its effect, once."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient, NewPartitions

from deploy.embedded import EmbeddedRedis
from streams.cluster import Cluster
from streams.codec import decode_value
from streams.topic_admin import create_topics
from streams.topics import PROFILES
from tests.integration.stream.bench import SHORT_SESSIONS, Stream, event

USERS = [f"user-{number}" for number in range(40)]


@pytest.fixture
def stream(kafka: object, redis_server: object, topic_prefix: str, tmp_path: Path) -> Iterator[Stream]:
    servers, url = kafka.bootstrap_servers, redis_server.url  # type: ignore[attr-defined]
    with Stream(servers, url, topic_prefix, tmp_path, kafka=SHORT_SESSIONS) as made:
        yield made


def rounds(count: int) -> list[str]:
    return USERS * count


def expected(published: list[str]) -> dict[str, int]:
    return dict(Counter(published))


def test_a_killed_profile_worker_loses_nothing_and_repeats_nothing(stream: Stream) -> None:
    sent = rounds(10)
    (worker,) = stream.start("profile")
    stream.publish_events(sent)
    stream.await_versions(dict.fromkeys(USERS[:1], 10))
    for number in range(3):
        more = rounds(10)
        stream.publish_events(more, first=1_000 * (number + 1))
        sent += more
        time.sleep(0.2 * number)
        stream.kill(worker)
        (worker,) = stream.start("profile")
    stream.await_versions(expected(sent))


def test_workers_join_and_leave_under_load(stream: Stream) -> None:
    sent = rounds(5)
    stream.start("profile")
    stream.publish_events(sent)
    stream.await_versions(expected(sent))
    for number in range(6):
        if number == 1:
            second, third = stream.start("profile", "profile")
            stream.await_started("profile", 3)
        if number == 3:
            stream.kill(second)
        if number == 4:
            third.terminate()
        more = rounds(5)
        stream.publish_events(more, first=10_000 * (number + 1))
        sent += more
        time.sleep(1.0)
    stream.await_versions(expected(sent))
    assert third.wait(timeout=120) == 0


def test_a_topic_deleted_and_created_again_starts_anew(stream: Stream) -> None:
    stream.start("profile")
    stream.publish_events(rounds(3))
    stream.await_versions(dict.fromkeys(USERS, 3))
    admin = KafkaAdminClient(bootstrap_servers=stream.settings.kafka.bootstrap_servers)
    admin.delete_topics([stream.names.events])
    while stream.names.events in admin.list_topics():
        time.sleep(0.2)
    admin.close()
    create_topics(stream.settings)
    stream.publish_events(rounds(2), first=50_000)
    stream.await_versions(dict.fromkeys(USERS, 5))


def test_partitions_added_are_read(stream: Stream) -> None:
    stream.start("profile")
    stream.publish_events(rounds(2))
    stream.await_versions(dict.fromkeys(USERS, 2))
    admin = KafkaAdminClient(bootstrap_servers=stream.settings.kafka.bootstrap_servers)
    admin.create_partitions({stream.names.events: NewPartitions(total_count=6)})
    admin.close()
    while len(stream.producer.partitions_for(stream.names.events)) < 6:
        time.sleep(0.2)
    futures = [
        stream.producer.send(
            stream.names.events, key=user.encode(), value=_encoded(user, f"p{partition}"), partition=partition
        )
        for partition in range(6)
        for user in USERS
    ]
    for future in futures:
        future.get(timeout=120)
    stream.await_versions(dict.fromkeys(USERS, 8))


def test_redis_set_back_to_an_older_snapshot_catches_up(
    kafka: object, topic_prefix: str, tmp_path: Path
) -> None:
    data, snapshot = tmp_path / "redis", tmp_path / "snapshot"
    with EmbeddedRedis(data) as first:
        port = first.port
        with Stream(kafka.bootstrap_servers, first.url, topic_prefix, tmp_path) as stream:  # type: ignore[attr-defined]
            stream.start("profile")
            stream.publish_events(rounds(3))
            stream.await_versions(dict.fromkeys(USERS, 3))
            first.stop()
            shutil.copytree(data, snapshot)
            first.start()
            stream.publish_events(rounds(3), first=50_000)
            stream.await_versions(dict.fromkeys(USERS, 6))
            first.stop()
            shutil.rmtree(data)
            shutil.copytree(snapshot, data)
            with EmbeddedRedis(data, port=port):
                assert stream.profile(USERS[0]).version == 3
                stream.publish_events(rounds(1), first=90_000)
                stream.await_versions(dict.fromkeys(USERS, 7))


def test_an_empty_redis_gets_its_profiles_back(kafka: object, topic_prefix: str, tmp_path: Path) -> None:
    servers = kafka.bootstrap_servers  # type: ignore[attr-defined]
    with EmbeddedRedis(tmp_path / "one") as first:
        port = first.port
        with Stream(servers, first.url, topic_prefix, tmp_path, kafka=SHORT_SESSIONS) as stream:
            (worker,) = stream.start("profile")
            stream.publish_events(rounds(3))
            stream.await_versions(dict.fromkeys(USERS, 3))
            # What is in Redis alone is lost with it, where its events are gone as well.
            stream.read(
                "profiles",
                lambda found: {one.user_id for one in found if one.version == 3} == set(USERS),
                decode=lambda value: decode_value(value, PROFILES),
            )
            stream.kill(worker)
            first.stop()
            # As if retention had taken the events: only the compacted profiles are left.
            admin = KafkaAdminClient(bootstrap_servers=stream.settings.kafka.bootstrap_servers)
            admin.delete_records({TopicPartition(stream.names.events, one): -1 for one in range(4)})
            admin.close()
            with EmbeddedRedis(tmp_path / "two", port=port):
                stream.start("profile")
                stream.publish_events(rounds(1), first=90_000)
                stream.await_versions(dict.fromkeys(USERS, 4))


def test_what_was_acknowledged_before_redis_was_emptied_is_not_read_again(
    kafka: object, topic_prefix: str, tmp_path: Path
) -> None:
    """While a worker runs, which takes the profiles from Kafka and goes on where its group was."""
    servers = kafka.bootstrap_servers  # type: ignore[attr-defined]
    with EmbeddedRedis(tmp_path / "one") as first:
        port = first.port
        with Stream(servers, first.url, topic_prefix, tmp_path) as stream:
            stream.start("profile")
            stream.publish_events(rounds(3))
            stream.await_versions(dict.fromkeys(USERS, 3))
            popularity = stream.popularity()
            assert len(popularity) == 3 * len(USERS)
            ends = _await_acknowledged(stream)
            published = _records(stream, stream.names.profiles)
            first.stop()
            with EmbeddedRedis(tmp_path / "two", port=port):
                stream.publish_events(USERS[:1], first=90_000)
                expected_versions = dict.fromkeys(USERS, 3) | {USERS[0]: 4}
                stream.await_versions(expected_versions)
                # One event, one profile: none of the others was published again.
                while _records(stream, stream.names.profiles) == published:
                    time.sleep(0.1)
                assert _await_acknowledged(stream) == ends + 1
                assert _records(stream, stream.names.profiles) == published + 1
                assert stream.popularity() == popularity | {"item-90000": pytest.approx(1.0, rel=0.01)}


def _await_acknowledged(stream: Stream) -> int:
    """Wait until the profile role's group has acknowledged all events; how many there are."""
    deadline = time.monotonic() + 120
    with Cluster(stream.settings.kafka) as cluster:
        while True:
            ends = _records(stream, stream.names.events)
            committed = {
                at: offset
                for group in cluster.groups(stream.prefix)
                for at, offset in group.committed.items()
                if at[0] == stream.names.events
            }
            if sum(committed.values()) == ends:
                return ends
            assert time.monotonic() < deadline, (committed, ends)
            time.sleep(0.1)


def _records(stream: Stream, topic: str) -> int:
    consumer = KafkaConsumer(bootstrap_servers=stream.settings.kafka.bootstrap_servers)
    ends = consumer.end_offsets([TopicPartition(topic, one) for one in consumer.partitions_for_topic(topic)])
    consumer.close()
    return sum(ends.values())


def _encoded(user: str, event_id: str) -> bytes:
    return json.dumps(event(user, event_id)).encode()
