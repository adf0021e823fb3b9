"""What only Redis does: it is gone, evicts, refuses."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from streams.errors import ConfigurationError, DependencyDownError
from streams.settings import RedisSettings
from workers.state.redis_store import RedisStateStore
from workers.state.store import (
    FenceMove,
    StateChange,
)


async def test_a_redis_that_is_gone_is_a_dependency_down(unused_tcp_port_factory: Callable[[], int]) -> None:
    gone = RedisStateStore(
        RedisSettings(url=SecretStr(f"redis://127.0.0.1:{unused_tcp_port_factory()}/0"), timeout_s=0.5), "t."
    )
    with pytest.raises(DependencyDownError, match="Redis failed during load"):
        await gone.load(["profile:a"])
    await gone.aclose()


async def test_a_redis_that_evicts_is_refused(redis_server: object) -> None:
    from redis.asyncio import Redis

    url: str = redis_server.url  # type: ignore[attr-defined]
    admin = Redis.from_url(url)
    store = RedisStateStore(RedisSettings(url=SecretStr(url)), "t.")
    await admin.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(ConfigurationError, match="noeviction"):
            await store.check()
    finally:
        await admin.config_set("maxmemory-policy", "noeviction")
        await store.check()
        await store.aclose()
        await admin.aclose()


async def test_what_redis_refuses_for_a_while_or_to_us_is_no_defect(redis_server: object) -> None:
    from redis.asyncio import Redis

    url: str = redis_server.url  # type: ignore[attr-defined]
    admin = Redis.from_url(url)
    user, prefix = f"u{uuid.uuid4().hex}", f"t{uuid.uuid4().hex}."
    await admin.acl_setuser(user, enabled=True, nopass=True, keys=[f"{prefix}*"], commands=["+mget"])
    address = url.partition("://")[2].rpartition("@")[2]
    store = RedisStateStore(RedisSettings(url=SecretStr(url)), prefix)
    limited = RedisStateStore(RedisSettings(url=SecretStr(f"redis://{user}:x@{address}")), prefix)
    change = StateChange(fences=[FenceMove("uuid:0", None, 1)])
    await admin.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(DependencyDownError, match="NOREPLICAS"):
            await store.commit("profile", change)
        await admin.config_set("min-replicas-to-write", 0)
        await admin.config_set("maxmemory", 1)
        with pytest.raises(DependencyDownError, match="memory"):
            await store.commit("profile", change)
        await admin.config_set("maxmemory", 0)
        assert await limited.load(["profile:a"]) == [None]
        with pytest.raises(ConfigurationError, match="user"):
            await limited.commit("profile", change)
    finally:
        await admin.config_set("min-replicas-to-write", 0)
        await admin.config_set("maxmemory", 0)
        await admin.acl_deluser(user)
        for one in (store, limited, admin):
            await one.aclose()
