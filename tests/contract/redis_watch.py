"""Which of their permissions somebody used, by what Redis itself says that it carried out."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import redis

_END = "the-watch-ends"


class RedisWatch:
    """Follows every command that a Redis carries out, those within scripts too. A context manager."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client = client
        self._monitor = client.monitor()
        self._prefix = prefix
        # Commands with their first word and their keys, by the port of the connection that they came by.
        self._said: dict[int, set[tuple[str, ...]]] = {}

    def __enter__(self) -> RedisWatch:
        self._monitor.__enter__()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.echo(_END)
        self._thread.join()
        self._monitor.__exit__(None, None, None)

    def _follow(self) -> None:
        port = 0
        while True:
            found: Mapping[str, Any] = self._monitor.next_command()
            # Redis carries out one script at a time, and shows it before what it calls.
            if found["client_type"] != "lua":
                port = int(found["client_port"])
            words = found["command"].split(" ")
            if words[-1] == _END:
                return
            keys = [word for word in words if word.startswith(self._prefix)]
            self._said.setdefault(port, set()).add((words[0].lower(), "|".join(words[:2]).lower(), *keys))

    def unused(self, ports: set[int], rules: list[str]) -> set[str]:
        """The rules for keys and commands that nothing was done by, by who came from these ports."""
        said = [words for port in ports for words in self._said.get(port, ())]
        done = {word for words in said for word in words}
        granted = {rule[1:] for rule in rules if rule.startswith("+")}
        patterns = {rule[1:] for rule in rules if rule.startswith("~")}
        return {one for one in granted if one not in done} | {
            one for one in patterns if not any(fnmatchcase(word, one) for word in done)
        }
