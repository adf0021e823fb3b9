"""Embedded Redis, for real."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from deploy.embedded import EmbeddedRedis
from streams.errors import DependencyDownError


def test_what_was_answered_outlives_a_crash_and_a_stop(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "large data, 2")
    with server, redis.Redis.from_url(server.url) as client:
        client.set("a", 1)
        server.kill()
        server.start()
        assert client.get("a") == b"1"
        client.set("b", 2)
    with EmbeddedRedis(tmp_path / "large data, 2") as again, redis.Redis.from_url(again.url) as client:
        assert client.mget("a", "b") == [b"1", b"2"]


def test_nothing_is_evicted_and_writes_reach_the_disk(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        config = client.config_get("*")
        assert config["maxmemory-policy"] == "noeviction"
        assert (config["appendonly"], config["appendfsync"]) == ("yes", "everysec")
        assert config["bind"] == "127.0.0.1"
        assert (tmp_path / "redis.log").stat().st_size > 0


def test_a_server_with_a_password_counts_as_started(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path, extra_config={"requirepass": "secret"}) as server:
        assert redis.Redis.from_url(server.url, password="secret").ping()


def test_a_wrong_setting_is_shown_from_its_log(tmp_path: Path) -> None:
    with pytest.raises(DependencyDownError, match="Redis ended while starting") as caught:
        EmbeddedRedis(tmp_path, extra_config={"appendfsync": "sometimes"}).start()
    assert "appendfsync sometimes" in str(caught.value)
    assert str(tmp_path / "redis.log") in str(caught.value)
