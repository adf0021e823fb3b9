"""With a secret in every secret setting, no command, help text, log line or error shows one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel, SecretStr

from streams.errors import FreshetError
from streams.settings import Settings, load_settings
from workers.cli.group import COMMANDS
from workers.cli.running import run
from workers.state.redis_store import RedisStateStore

COMMANDS_RUN = [
    ("doctor",),
    ("doctor", "--json"),
    ("topics", "list"),
    ("topics", "create", "--debug", "--log-level", "debug"),
    ("recommend", "anna", "--timeout", "1", "--debug"),
    ("forget", "anna", "--timeout", "0"),
    ("export", "anna", "--debug"),
    ("acls",),
    ("acls", "--json"),
    ("dead-letters", "list"),
    ("doctor", "-o", "worker.log_level=verbose"),
]


def secret_settings() -> Iterator[str]:
    """Every setting that is a secret, as SECTION.NAME."""
    for section, field in Settings.model_fields.items():
        kind = field.annotation
        assert isinstance(kind, type)
        assert issubclass(kind, BaseModel)
        for name, entry in kind.model_fields.items():
            if entry.annotation is SecretStr or SecretStr in get_args(entry.annotation):
                yield f"{section}.{name}"


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Secrets in every secret setting; Kafka and Redis are away."""
    secrets = []
    for number, setting in enumerate(secret_settings()):
        secret = f"s3cret-of-this-test-{number}x"
        secrets.append(secret)
        value = f"redis://someone:{secret}@127.0.0.1:9/0" if setting == "redis.url" else secret
        monkeypatch.setenv(f"FRESHET_{setting.replace('.', '__').upper()}", value)
    monkeypatch.setenv("FRESHET_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("FRESHET_KAFKA__SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    monkeypatch.setenv("FRESHET_KAFKA__SASL_MECHANISM", "PLAIN")
    monkeypatch.setenv("FRESHET_KAFKA__SASL_USERNAME", "someone")
    monkeypatch.setenv("FRESHET_KAFKA__REQUEST_TIMEOUT_S", "0.5")
    monkeypatch.setenv("FRESHET_REDIS__TIMEOUT_S", "0.5")
    return secrets


def test_every_secret_is_known_here() -> None:
    assert {*secret_settings()} == {
        "kafka.ssl_key_password",
        "kafka.sasl_password",
        "redis.url",
        "language_model.api_key",
        "console.token",
        "privacy.hash_key",
    }


@pytest.mark.parametrize("arguments", COMMANDS_RUN, ids=" ".join)
def test_no_command_shows_a_secret(
    planted: list[str], arguments: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    run(arguments)
    out, err = capfd.readouterr()
    assert out + err
    assert not [secret for secret in planted if secret in out + err], (out + err)[-2_000:]


@pytest.mark.parametrize("command", ["forget", "export"])
@pytest.mark.parametrize("key", ["s3cret-of-this-test-in-a-file", "s3cret"], ids=["good", "short"])
def test_no_command_shows_the_key_of_ids(
    planted: list[str], command: str, key: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ids.key"
    file.write_text(key + "\n")
    assert run([command, "anna", "--hash-key-file", str(file), "--debug"]) != 0
    out, err = capfd.readouterr()
    assert out + err
    assert "s3cret" not in out + err, (out + err)[-2_000:]


def test_no_help_shows_a_secret(planted: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        assert run([command, "--help"]) == 0
    run(["--help"])
    out, err = capfd.readouterr()
    assert "Usage" in out
    assert not [secret for secret in planted if secret in out + err]


def test_settings_and_errors_do_not_show_a_secret(planted: list[str]) -> None:
    settings = load_settings()
    shown = [repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()]

    async def look() -> None:
        store = RedisStateStore(settings.redis, settings.topics.prefix)
        try:
            await store.load(["profile:anna"])
        except FreshetError as error:
            shown.append(repr(error))
        finally:
            await store.aclose()

    asyncio.run(look())
    assert len(shown) == 5
    assert not [secret for secret in planted if any(secret in one for one in shown)]
