"""Fixtures for every test: a real Kafka and a real Redis, and names that no other test uses.

The servers are those named in `FRESHET_TEST_BOOTSTRAP_SERVERS` and `FRESHET_TEST_REDIS_URL`, else embedded
ones that live as long as the test session. A test of faults starts its own, from `deploy.embedded`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, settings

from deploy.embedded import EmbeddedKafka, EmbeddedRedis

# Properties are not timed: a busy machine is not a failure.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# Short sessions are allowed, so that a test of a killed worker need not wait long for the rebalance. What is
# to be deleted or compacted is looked for every second. The node itself is not given up by its controller
# where the machine stands still for some seconds: nothing kills it, so nothing waits for its session's end.
KAFKA_TEST_CONFIG = {
    "broker.session.timeout.ms": "60000",
    "group.min.session.timeout.ms": "1000",
    "log.initial.task.delay.ms": "1000",
    "log.retention.check.interval.ms": "1000",
    "log.cleaner.backoff.ms": "1000",
}


@dataclass(frozen=True)
class KafkaServer:
    """Where the Kafka for tests is."""

    bootstrap_servers: str


@dataclass(frozen=True)
class RedisServer:
    """Where the Redis for tests is."""

    url: str


@dataclass(frozen=True)
class RedisNamespace:
    """A client, and a prefix for every key that a test writes; what has it is deleted after the test."""

    client: redis.Redis
    prefix: str


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A running Kafka: `.bootstrap_servers`."""
    if named := os.environ.get("FRESHET_TEST_BOOTSTRAP_SERVERS"):
        yield KafkaServer(named)
        return
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), extra_config=KAFKA_TEST_CONFIG) as embedded:
        yield KafkaServer(embedded.bootstrap_servers)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A running Redis: `.url`."""
    if named := os.environ.get("FRESHET_TEST_REDIS_URL"):
        yield RedisServer(named)
        return
    with EmbeddedRedis(tmp_path_factory.mktemp("redis")) as embedded:
        yield RedisServer(embedded.url)


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topics and consumer groups that no other test uses, such as `t3f9a01c2.`."""
    return f"t{secrets.token_hex(4)}."


@pytest.fixture
def redis_namespace(redis_server: RedisServer) -> Iterator[RedisNamespace]:
    """A client and a key prefix that no other test uses."""
    with redis.Redis.from_url(redis_server.url) as client:
        namespace = RedisNamespace(client, f"t{secrets.token_hex(4)}:")
        yield namespace
        for key in client.scan_iter(match=f"{namespace.prefix}*", count=1_000):
            client.delete(key)


@pytest.fixture
def redis_prefix(redis_namespace: RedisNamespace) -> str:
    """The key prefix of :func:`redis_namespace`."""
    return redis_namespace.prefix


@pytest.fixture
def redis_client(redis_namespace: RedisNamespace) -> redis.Redis:
    """The client of :func:`redis_namespace`: bytes in, bytes out, synchronous."""
    return redis_namespace.client


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of evaluation data and weights; a test that needs it is skipped where it is absent."""
    folder = Path(os.environ.get("FRESHET_SHARED_DIR", Path(__file__).resolve().parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared folder at {folder}; name it in FRESHET_SHARED_DIR")
    return folder
