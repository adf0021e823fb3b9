from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from streams.errors import ConfigurationError
from streams.kafka_connection import aiokafka_arguments, bootstrap_servers, kafka_python_arguments
from streams.settings import KafkaSettings


def test_without_tls_only_addresses_are_given() -> None:
    settings = KafkaSettings(bootstrap_servers=" a:1, b:2 ,", request_timeout_s=3)
    assert aiokafka_arguments(settings) == {
        "bootstrap_servers": ["a:1", "b:2"],
        "request_timeout_ms": 3_000,
        "security_protocol": "PLAINTEXT",
    }
    assert kafka_python_arguments(settings) == aiokafka_arguments(settings)


def test_no_server_is_an_error_that_says_what_to_set() -> None:
    with pytest.raises(ConfigurationError, match=r"kafka\.bootstrap_servers"):
        bootstrap_servers(KafkaSettings(bootstrap_servers=" , "))


@pytest.mark.parametrize("check", [True, False])
def test_tls_checks_the_server(check: bool) -> None:
    settings = KafkaSettings(security_protocol="SSL", ssl_check_hostname=check)
    arguments = kafka_python_arguments(settings)
    context = arguments["ssl_context"]
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname is check
    assert arguments["ssl_check_hostname"] is check


def test_sasl_passes_user_and_password() -> None:
    settings = KafkaSettings(
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="u",
        sasl_password="p",
    )
    for arguments in (aiokafka_arguments(settings), kafka_python_arguments(settings)):
        assert arguments["sasl_mechanism"] == "SCRAM-SHA-512"
        assert (arguments["sasl_plain_username"], arguments["sasl_plain_password"]) == ("u", "p")
        assert "ssl_context" not in arguments


def test_sasl_without_a_password_is_an_error() -> None:
    settings = KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="PLAIN", sasl_username="u")
    with pytest.raises(ConfigurationError, match=r"kafka\.sasl_password"):
        aiokafka_arguments(settings)


def test_tls_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    settings = KafkaSettings(security_protocol="SSL", ssl_ca_file=tmp_path / "missing.pem")
    with pytest.raises(ConfigurationError, match=r"kafka\.ssl_ca_file"):
        aiokafka_arguments(settings)
