"""kafka-python's errors in Freshet's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import errors  # type: ignore[import-untyped]

from streams.errors import ConfigurationError, DependencyDownError, InvalidError
from streams.settings import KafkaSettings


@contextmanager
def kafka_errors_explained(settings: KafkaSettings) -> Iterator[None]:
    """Raise what kafka-python raises within as one of Freshet's errors.

    Args:
        settings: Names the broker in the message.

    Raises:
        ConfigurationError: Kafka refuses: no such topic, not allowed, not let in, a setting that it rejects.
        DependencyDownError: Kafka does not answer, or says that it cannot now.
        InvalidError: A message is larger than the topic takes.
    """
    where = f"Kafka at {settings.bootstrap_servers}"
    try:
        yield
    except (
        errors.SaslAuthenticationFailedError,
        errors.UnsupportedSaslMechanismError,
        errors.IllegalSaslStateError,
    ) as error:
        raise ConfigurationError(
            f"{where} did not let us in: {error}. Check `kafka.security_protocol`, `kafka.sasl_mechanism`, "
            "`kafka.sasl_username` and `kafka.sasl_password`"
        ) from error
    except errors.AuthorizationError as error:
        raise ConfigurationError(f"{where} does not allow this user to do so: {error}") from error
    except errors.UnknownTopicOrPartitionError as error:
        raise ConfigurationError(
            f"{where} has no such topic: {error}. Check `topics.prefix`, or run `freshet topics create`"
        ) from error
    except errors.InvalidReplicationFactorError as error:
        raise ConfigurationError(
            f"{where} has fewer brokers than `kafka.replication_factor` asks for "
            f"({settings.replication_factor})"
        ) from error
    except (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError) as error:
        raise InvalidError(f"the message is larger than the topic takes: {error}") from error
    except (
        errors.KafkaConfigurationError,
        errors.UnsupportedVersionError,
        errors.InvalidTopicError,
        errors.InvalidConfigurationError,
        errors.InvalidPartitionsError,
        errors.PolicyViolationError,
        errors.UnrecognizedBrokerVersion,
    ) as error:
        raise ConfigurationError(f"{where} refuses: {error}") from error
    except (errors.KafkaError, OSError, TimeoutError) as error:
        raise DependencyDownError(
            f"{where} does not answer as it should ({type(error).__name__}: {error}). "
            f"Check {_what_to_check(settings)}, and that Kafka runs"
        ) from error


def _what_to_check(settings: KafkaSettings) -> str:
    # kafka-python tries on after a refused password or certificate, and reports the timeout alone.
    names = ["bootstrap_servers"]
    if settings.security_protocol in ("SSL", "SASL_SSL"):
        names += ["ssl_ca_file", "ssl_certificate_file"]
    if settings.security_protocol in ("SASL_PLAINTEXT", "SASL_SSL"):
        names += ["sasl_username", "sasl_password"]
    return ", ".join(f"`kafka.{name}`" for name in names)
