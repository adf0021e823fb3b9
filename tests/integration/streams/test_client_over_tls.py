"""The client and the topic administration against a Kafka that asks for TLS and a password."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.embedded import EmbeddedKafka
from deploy.embedded.ports import free_port
from streams.client import FreshetClient
from streams.codec import decode_record
from streams.errors import ConfigurationError, DependencyDownError
from streams.messages import Item
from streams.settings import KafkaSettings, Settings, TopicSettings
from streams.topic_admin import check_topics, create_topics
from streams.topic_names import TopicNames
from streams.topic_reader import TopicReader

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


def make_certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture(scope="module")
def kafka_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaSettings]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = make_certificate(folder)
    store = folder / "store.pem"
    store.write_text(key.read_text() + certificate.read_text())
    port = free_port()
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    config = {
        "listeners": f"SECURE://127.0.0.1:{port}",
        "advertised.listeners": f"SECURE://127.0.0.1:{port}",
        "listener.security.protocol.map": "SECURE:SASL_SSL",
        "listener.name.secure.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.secure.plain.sasl.jaas.config": f'{login} user_alice="wonderland";',
        "listener.name.secure.ssl.keystore.type": "PEM",
        "listener.name.secure.ssl.keystore.location": str(store),
    }
    with EmbeddedKafka(folder / "kafka", extra_config=config):
        yield KafkaSettings(
            bootstrap_servers=f"127.0.0.1:{port}",
            security_protocol="SASL_SSL",
            ssl_ca_file=certificate,
            sasl_mechanism="PLAIN",
            sasl_username="alice",
            sasl_password=SecretStr("wonderland"),
            request_timeout_s=30,
        )


def test_everything_passes_over_tls_with_a_password(kafka_settings: KafkaSettings, topic_prefix: str) -> None:
    settings = Settings(kafka=kafka_settings, topics=TopicSettings(prefix=topic_prefix))
    create_topics(settings)
    assert check_topics(settings) == []
    with FreshetClient(kafka_settings, topic_prefix) as client:
        client.publish_item(Item(item_id="lamp"))
    with TopicReader(kafka_settings, TopicNames(topic_prefix).items, "beginning") as reader:
        (record,) = reader.read_to_end()
    assert decode_record(record, Item).item_id == "lamp"


def test_a_wrong_password_names_the_setting_and_not_its_value(kafka_settings: KafkaSettings) -> None:
    changed = {"sasl_password": SecretStr("looking-glass"), "request_timeout_s": 2.0}
    with pytest.raises((ConfigurationError, DependencyDownError), match="sasl_password") as caught:
        FreshetClient(kafka_settings.model_copy(update=changed))
    assert "looking-glass" not in str(caught.value)


def test_a_certificate_that_is_not_trusted_is_refused(kafka_settings: KafkaSettings) -> None:
    untrusting = kafka_settings.model_copy(update={"ssl_ca_file": None, "request_timeout_s": 2.0})
    with pytest.raises((ConfigurationError, DependencyDownError), match="ssl_ca_file"):
        create_topics(Settings(kafka=untrusting))
