"""Embedded Kafka, for real: what is kept, who can connect, what is said when it does not start."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from deploy.embedded import EmbeddedKafka
from deploy.embedded.ports import free_port
from streams.errors import DependencyDownError

TOPIC = "events"


def create_topic(servers: str, name: str, **configs: Any) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=servers)) as admin:
        topic = {"num_partitions": 1, "replication_factor": 1, "configs": configs}
        admin.create_topics({name: topic}, wait_for_metadata=True)


def produce(servers: str, topic: str, value: bytes, **options: Any) -> None:
    with closing(KafkaProducer(bootstrap_servers=servers, **options)) as producer:
        producer.send(topic, key=b"k", value=value).get(timeout=120)


def consume(servers: str, topic: str, **options: Any) -> list[bytes]:
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=servers,
        auto_offset_reset="earliest",
        group_id=None,
        enable_auto_commit=False,
        **options,
    )
    with closing(consumer):
        for _ in range(60):
            if batches := consumer.poll(timeout_ms=1_000):
                return [record.value for records in batches.values() for record in records]
    return []


def test_topics_and_messages_outlive_a_stop_and_a_crash(tmp_path: Path) -> None:
    steps: list[str] = []
    with EmbeddedKafka(tmp_path / "große Daten, 2", on_progress=steps.append) as kafka:
        create_topic(kafka.bootstrap_servers, TOPIC)
        produce(kafka.bootstrap_servers, TOPIC, b"first")
    assert "preparing Kafka's data folder (first time only)" in steps
    steps.clear()
    port = free_port()
    with EmbeddedKafka(tmp_path / "große Daten, 2", port, on_progress=steps.append) as again:
        assert again.bootstrap_servers == f"127.0.0.1:{port}"
        assert steps == [f"starting Kafka on port {port}"]
        assert consume(again.bootstrap_servers, TOPIC) == [b"first"]
        produce(again.bootstrap_servers, TOPIC, b"second")
        again.kill()
        again.start()
        assert again.port == port
        assert consume(again.bootstrap_servers, TOPIC) == [b"first", b"second"]


def test_the_largest_message_of_the_contract_passes(kafka: Any, topic_prefix: str) -> None:
    topic = f"{topic_prefix}items"
    limit = 8 * 1024 * 1024
    create_topic(kafka.bootstrap_servers, topic, **{"max.message.bytes": str(limit)})
    value = b"x" * (limit - 1_000)
    produce(kafka.bootstrap_servers, topic, value, max_request_size=limit + 1_000)
    assert consume(kafka.bootstrap_servers, topic) == [value]


def test_topics_are_not_created_by_accident(kafka: Any, topic_prefix: str) -> None:
    with pytest.raises(KafkaError):
        produce(kafka.bootstrap_servers, f"{topic_prefix}typo", b"", max_block_ms=2_000)


def test_a_group_gets_its_partitions(kafka: Any, topic_prefix: str) -> None:
    topic = f"{topic_prefix}grouped"
    create_topic(kafka.bootstrap_servers, topic)
    produce(kafka.bootstrap_servers, topic, b"v")
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=f"{topic_prefix}group",
        auto_offset_reset="earliest",
        session_timeout_ms=30_000,
        heartbeat_interval_ms=500,
    )
    with closing(consumer):
        batches: dict[Any, Any] = {}
        for _ in range(60):
            if batches := consumer.poll(timeout_ms=1_000):
                break
        assert [partition.partition for partition in batches] == [0]
        consumer.commit()
        assert consumer.committed(next(iter(batches))) == 1


def test_a_listener_that_asks_for_a_password(tmp_path: Path) -> None:
    port = free_port()
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    config = {
        "listeners": f"SASL://127.0.0.1:{port}",
        "advertised.listeners": f"SASL://127.0.0.1:{port}",
        "listener.security.protocol.map": "SASL:SASL_PLAINTEXT",
        "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": f'{login} user_alice="wonderland";',
    }
    options = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "alice",
    }
    with EmbeddedKafka(tmp_path, extra_config=config) as kafka:
        create_topic(kafka.bootstrap_servers, TOPIC)
        produce(f"127.0.0.1:{port}", TOPIC, b"v", **options, sasl_plain_password="wonderland")
        assert consume(kafka.bootstrap_servers, TOPIC) == [b"v"]
        with pytest.raises(KafkaError):
            KafkaAdminClient(
                bootstrap_servers=f"127.0.0.1:{port}",
                **options,
                sasl_plain_password="wrong",
                bootstrap_timeout_ms=2_000,
            )


def test_a_wrong_setting_is_shown_from_kafkas_log(tmp_path: Path) -> None:
    with pytest.raises(DependencyDownError, match="could not be prepared") as caught:
        EmbeddedKafka(tmp_path, extra_config={"log.retention.hours": "soon"}).start()
    assert "Invalid value soon for configuration log.retention.hours" in str(caught.value)
    assert str(tmp_path / "kafka.log") in str(caught.value)
