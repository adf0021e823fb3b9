"""State in a Redis that speaks TLS itself and knows a user by name, where a redis-server on the PATH can."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr

from deploy.embedded import EmbeddedRedis
from deploy.embedded.ports import free_port
from streams.errors import ConfigurationError, DependencyDownError
from streams.settings import RedisSettings
from tests.integration.streams.test_client_over_tls import make_certificate
from workers.state.access import REDIS_USERS, redis_rules
from workers.state.redis_store import RedisStateStore
from workers.state.store import FenceMove, StateChange

PREFIX = "t."
PASSWORD = "a-password-of-this-test"


def server_with_tls() -> str | None:
    """A redis-server that was built with TLS: only then it knows the names of its settings."""
    found = shutil.which("redis-server")
    return found if found and b"tls-cert-file" in Path(found).read_bytes() else None


pytestmark = [
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate"),
    pytest.mark.skipif(
        server_with_tls() is None,
        reason="no redis-server with TLS on the PATH: the one that the tests carry is built without",
    ),
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSettings]:
    """Of the profile role."""
    folder = tmp_path_factory.mktemp("redis-tls")
    certificate, key = make_certificate(folder)
    port = free_port()
    config = {
        "tls-port": str(port),
        "tls-cert-file": str(certificate),
        "tls-key-file": str(key),
        "tls-ca-cert-file": str(certificate),
        "tls-auth-clients": "no",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRESHET_REDIS_SERVER", server_with_tls() or "")
        with (
            EmbeddedRedis(folder / "redis", extra_config=config) as server,
            redis.Redis.from_url(server.url) as admin,
        ):
            for role in REDIS_USERS:
                rules = redis_rules(role, PREFIX)
                admin.execute_command("ACL", "SETUSER", role, "reset", "on", f">{PASSWORD}", *rules)
            yield RedisSettings(
                url=SecretStr(f"rediss://profile:{PASSWORD}@127.0.0.1:{port}/0"), ca_file=certificate
            )


async def test_state_is_kept_over_tls_by_a_user_with_the_rules_of_a_role(settings: RedisSettings) -> None:
    store = RedisStateStore(settings, PREFIX)
    try:
        await store.check()
        assert await store.commit("profile", StateChange(fences=[FenceMove("uuid:0", None, 7)]))
        assert await store.fences("profile", ["uuid:0"]) == [7]
        with pytest.raises(ConfigurationError, match="let the user"):
            await store.tally("outcomes:2026-11-26")
    finally:
        await store.aclose()


async def test_a_certificate_that_is_not_trusted_is_refused(settings: RedisSettings) -> None:
    store = RedisStateStore(settings.model_copy(update={"ca_file": None}), PREFIX)
    try:
        with pytest.raises(DependencyDownError, match="CERTIFICATE_VERIFY_FAILED"):
            await store.load(["profile:anna"])
    finally:
        await store.aclose()


async def test_without_tls_nobody_is_let_in_there(settings: RedisSettings) -> None:
    plain = settings.url.get_secret_value().replace("rediss://", "redis://")
    store = RedisStateStore(settings.model_copy(update={"url": SecretStr(plain)}), PREFIX)
    try:
        with pytest.raises(DependencyDownError):
            await store.load(["profile:anna"])
    finally:
        await store.aclose()


async def test_a_wrong_password_is_refused_and_not_shown(settings: RedisSettings) -> None:
    url = settings.url.get_secret_value().replace(PASSWORD, "another-one")
    store = RedisStateStore(settings.model_copy(update={"url": SecretStr(url)}), PREFIX)
    try:
        with pytest.raises(ConfigurationError, match=r"redis\.url") as caught:
            await store.load(["profile:anna"])
        assert "another-one" not in str(caught.value)
    finally:
        await store.aclose()
