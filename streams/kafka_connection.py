"""How each Kafka library is told where Kafka is, and how to be let in.

One `KafkaSettings` serves kafka-python (client, admin) and aiokafka (consumers, producers, the driver's Faust
apps): nothing else in Freshet builds TLS contexts or credentials.
"""

from __future__ import annotations

import ssl
from typing import Any

from streams.errors import ConfigurationError
from streams.settings import KafkaSettings


def bootstrap_servers(settings: KafkaSettings) -> list[str]:
    """The brokers to ask first, as ``host:port``.

    Raises:
        ConfigurationError: None is named.
    """
    servers = [server.strip() for server in settings.bootstrap_servers.split(",") if server.strip()]
    if not servers:
        raise ConfigurationError("setting `kafka.bootstrap_servers` names no broker: give it as host:port")
    return servers


def ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """The TLS context, or None where the protocol is without TLS.

    Raises:
        ConfigurationError: A certificate or key cannot be read.
    """
    if settings.security_protocol not in ("SSL", "SASL_SSL"):
        return None
    try:
        context = ssl.create_default_context(
            cafile=str(settings.ssl_ca_file) if settings.ssl_ca_file else None
        )
        if settings.ssl_certificate_file is not None:
            password = settings.ssl_key_password
            context.load_cert_chain(
                settings.ssl_certificate_file,
                settings.ssl_key_file,
                # An empty password keeps OpenSSL from asking on the terminal.
                password.get_secret_value() if password is not None else "",
            )
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            "the TLS files of `kafka.ssl_ca_file`, `kafka.ssl_certificate_file` and `kafka.ssl_key_file` "
            f"cannot be used: {error}"
        ) from error
    if not settings.ssl_check_hostname:
        context.check_hostname = False
    return context


def aiokafka_arguments(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments for AIOKafkaClient, AIOKafkaConsumer, AIOKafkaProducer and their admin client.

    Raises:
        ConfigurationError: See `bootstrap_servers`, `ssl_context`, `_sasl`.
    """
    arguments: dict[str, Any] = {
        "bootstrap_servers": bootstrap_servers(settings),
        "request_timeout_ms": round(settings.request_timeout_s * 1_000),
        "security_protocol": settings.security_protocol,
    }
    context = ssl_context(settings)
    if context is not None:
        arguments["ssl_context"] = context
    return arguments | _sasl(settings)


def kafka_python_arguments(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments for KafkaConsumer, KafkaProducer and KafkaAdminClient of kafka-python.

    Raises:
        ConfigurationError: See `bootstrap_servers`, `ssl_context`, `_sasl`.
    """
    arguments = aiokafka_arguments(settings)
    if "ssl_context" in arguments:
        # kafka-python checks the host name only where this says so, whatever the context holds.
        arguments["ssl_check_hostname"] = settings.ssl_check_hostname
    return arguments


def _sasl(settings: KafkaSettings) -> dict[str, Any]:
    """Mechanism, user and password in the names that aiokafka and kafka-python share.

    Raises:
        ConfigurationError: The protocol is SASL and mechanism, user or password is missing.
    """
    if settings.security_protocol not in ("SASL_PLAINTEXT", "SASL_SSL"):
        return {}
    mechanism, user, password = settings.sasl_mechanism, settings.sasl_username, settings.sasl_password
    if mechanism is None or user is None or password is None:
        raise ConfigurationError(
            f"`kafka.security_protocol` is {settings.security_protocol}: set `kafka.sasl_mechanism`, "
            "`kafka.sasl_username` and `kafka.sasl_password` too"
        )
    return {
        "sasl_mechanism": mechanism,
        "sasl_plain_username": user,
        "sasl_plain_password": password.get_secret_value(),
    }
