"""The fixtures reach a real Kafka and a real Redis, and keep tests apart."""

from __future__ import annotations

from typing import Any

from kafka import KafkaAdminClient


def test_kafka_serves_topics(kafka: Any, topic_prefix: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    try:
        admin.create_topics({f"{topic_prefix}events": {"num_partitions": 3, "replication_factor": 1}})
        assert f"{topic_prefix}events" in admin.list_topics()
    finally:
        admin.close()


def test_redis_keeps_what_is_written(redis_client: Any, redis_prefix: str) -> None:
    assert redis_client.set(f"{redis_prefix}k", b"v")
    assert redis_client.get(f"{redis_prefix}k") == b"v"
    assert redis_client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
