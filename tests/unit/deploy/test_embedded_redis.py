from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deploy.embedded import redis as embedded_redis
from deploy.embedded.redis import find_redis_server, major_version, render_config
from streams.errors import ConfigurationError


def write_program(path: Path, answer: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


def test_config_is_for_state_that_must_not_be_lost() -> None:
    lines = render_config(16379).splitlines()
    assert {
        "bind 127.0.0.1",
        "port 16379",
        "appendonly yes",
        "appendfsync everysec",
        "maxmemory-policy noeviction",
        "dir .",
    } <= set(lines)


def test_extra_lines_replace_those_of_the_same_name() -> None:
    lines = render_config(16379, {"appendfsync": "always", "requirepass": "x"}).splitlines()
    assert "appendfsync always" in lines
    assert "appendfsync everysec" not in lines
    assert "requirepass x" in lines


def test_a_named_server_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = write_program(tmp_path / "my-redis", "")
    monkeypatch.setenv("FRESHET_REDIS_SERVER", str(server))
    assert find_redis_server() == server


def test_a_named_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRESHET_REDIS_SERVER", "/nowhere/redis-server")
    with pytest.raises(ConfigurationError, match="/nowhere/redis-server, which is not a program"):
        find_redis_server()


def test_without_the_wheel_the_path_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRESHET_REDIS_SERVER", raising=False)
    monkeypatch.setattr(embedded_redis.importlib.util, "find_spec", lambda name: None)
    server = write_program(tmp_path / "redis-server", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_redis_server() == server


def test_without_any_server_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRESHET_REDIS_SERVER", raising=False)
    monkeypatch.setattr(embedded_redis.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigurationError, match=r"apt install redis-server.*no wheel for Python 3\.13"):
        find_redis_server()


def test_data_of_redis_7_are_not_given_to_redis_6(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = write_program(tmp_path / "old-redis", "Redis server v=6.2.14 sha=00000000:0 bits=64")
    monkeypatch.setenv("FRESHET_REDIS_SERVER", str(old))
    (tmp_path / "data" / "appendonlydir").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="of Redis 7 or later"):
        embedded_redis.EmbeddedRedis(tmp_path / "data").start()


def test_a_program_that_is_not_redis(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not report a version"):
        major_version(write_program(tmp_path / "other", "hello"))


def test_the_installed_server_reports_its_version() -> None:
    assert major_version(find_redis_server()) >= 6
    assert shutil.which(str(find_redis_server()))
