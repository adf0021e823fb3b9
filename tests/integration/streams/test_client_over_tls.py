"""Clients and the topic administration against a Kafka that asks for TLS, a password or a certificate."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from pydantic import SecretStr

from deploy.embedded import EmbeddedKafka
from deploy.embedded.ports import free_port
from streams.client import FreshetClient
from streams.codec import decode_record, outgoing
from streams.errors import ConfigurationError, DependencyDownError
from streams.kafka_connection import aiokafka_arguments
from streams.messages import Item
from streams.producer import Publisher
from streams.settings import KafkaSettings, Settings, TopicSettings
from streams.topic_admin import check_topics, create_topics
from streams.topic_names import TopicNames
from streams.topic_reader import TopicReader

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


def make_certificate(
    folder: Path, name: str = "certificate", password: str | None = None
) -> tuple[Path, Path]:
    """One that is signed by itself, for 127.0.0.1, and its key; with a password the key is encrypted."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key.pem"
    encrypted = ("-nodes",) if password is None else ("-passout", f"pass:{password}")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", *encrypted, "-days", "2"),
            *("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture(scope="module")
def listeners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, KafkaSettings]]:
    """One Kafka that is reached by a password, by TLS alone, and by a client's certificate."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = make_certificate(folder)
    client_certificate, client_key = make_certificate(folder, "client", password="rabbit-hole")
    store = folder / "store.pem"
    store.write_text(key.read_text() + certificate.read_text())
    names = ("PASSWORD", "TLS", "MUTUAL")
    ports = {name: free_port() for name in names}
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    addresses = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
    config = {
        "listeners": addresses,
        "advertised.listeners": addresses,
        "listener.security.protocol.map": "PASSWORD:SASL_SSL,TLS:SSL,MUTUAL:SSL",
        "listener.name.password.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.password.plain.sasl.jaas.config": f'{login} user_alice="wonderland";',
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.mutual.ssl.truststore.type": "PEM",
        "listener.name.mutual.ssl.truststore.location": str(client_certificate),
    }
    for name in names:
        config[f"listener.name.{name.lower()}.ssl.keystore.type"] = "PEM"
        config[f"listener.name.{name.lower()}.ssl.keystore.location"] = str(store)

    def settings(name: str, **more: Any) -> KafkaSettings:
        address = f"127.0.0.1:{ports[name]}"
        return KafkaSettings(bootstrap_servers=address, ssl_ca_file=certificate, request_timeout_s=30, **more)

    with EmbeddedKafka(folder / "kafka", extra_config=config):
        yield {
            "a password": settings(
                "PASSWORD",
                security_protocol="SASL_SSL",
                sasl_mechanism="PLAIN",
                sasl_username="alice",
                sasl_password=SecretStr("wonderland"),
            ),
            "tls": settings("TLS", security_protocol="SSL"),
            "a certificate": settings(
                "MUTUAL",
                security_protocol="SSL",
                ssl_certificate_file=client_certificate,
                ssl_key_file=client_key,
                ssl_key_password=SecretStr("rabbit-hole"),
            ),
        }


@pytest.fixture
def kafka_settings(listeners: dict[str, KafkaSettings]) -> KafkaSettings:
    return listeners["a password"]


@pytest.mark.parametrize("way", ["a password", "tls", "a certificate"])
async def test_everything_passes(listeners: dict[str, KafkaSettings], topic_prefix: str, way: str) -> None:
    kafka = listeners[way]
    settings = Settings(
        kafka=kafka, topics=TopicSettings(prefix=topic_prefix, item_partitions=1, user_partitions=1)
    )
    await asyncio.to_thread(create_topics, settings)
    assert await asyncio.to_thread(check_topics, settings) == []
    names = TopicNames(topic_prefix)
    # kafka-python publishes and reads; aiokafka, which workers have, does as well.
    with FreshetClient(kafka, topic_prefix) as client:
        client.publish_item(Item(item_id="lamp"))
    async with Publisher(settings) as publisher:
        await publisher.publish([outgoing(names.items, Item(item_id="desk"))])
    with TopicReader(kafka, names.items, "beginning") as reader:
        assert [decode_record(one, Item).item_id for one in reader.read_to_end()] == ["lamp", "desk"]
    consumer = AIOKafkaConsumer(names.items, auto_offset_reset="earliest", **aiokafka_arguments(kafka))
    async with consumer:
        assert [(await consumer.getone()).key for _ in range(2)] == [b"lamp", b"desk"]


@pytest.mark.parametrize("shown", ["none", "another"])
def test_without_the_certificate_nobody_is_let_in(
    listeners: dict[str, KafkaSettings], tmp_path: Path, shown: str
) -> None:
    certificate, key = make_certificate(tmp_path) if shown == "another" else (None, None)
    changed = {
        "ssl_certificate_file": certificate,
        "ssl_key_file": key,
        "ssl_key_password": None,
        "request_timeout_s": 2.0,
    }
    stranger = listeners["a certificate"].model_copy(update=changed)
    with pytest.raises((ConfigurationError, DependencyDownError)):
        create_topics(Settings(kafka=stranger))


def test_a_wrong_password_of_the_key_is_said_and_not_shown(listeners: dict[str, KafkaSettings]) -> None:
    changed = {"ssl_key_password": SecretStr("looking-glass")}
    with pytest.raises(ConfigurationError, match=r"kafka\.ssl_key_file") as caught:
        create_topics(Settings(kafka=listeners["a certificate"].model_copy(update=changed)))
    assert "looking-glass" not in str(caught.value)


def test_a_wrong_password_names_the_setting_and_not_its_value(kafka_settings: KafkaSettings) -> None:
    changed = {"sasl_password": SecretStr("looking-glass"), "request_timeout_s": 2.0}
    with pytest.raises((ConfigurationError, DependencyDownError), match="sasl_password") as caught:
        FreshetClient(kafka_settings.model_copy(update=changed))
    assert "looking-glass" not in str(caught.value)


def test_a_certificate_that_is_not_trusted_is_refused(kafka_settings: KafkaSettings) -> None:
    untrusting = kafka_settings.model_copy(update={"ssl_ca_file": None, "request_timeout_s": 2.0})
    with pytest.raises((ConfigurationError, DependencyDownError), match="ssl_ca_file"):
        create_topics(Settings(kafka=untrusting))
