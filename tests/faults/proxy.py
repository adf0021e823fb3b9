"""A TCP proxy whose network can be cut, slowed and reset, and that may answer in a server's place.

All proxies of a process run on one event loop in a thread; their methods may be called from any thread and
return when what they ask for is in force.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.faults.redis_protocol import RedisCommands

CHUNK_BYTES = 1 << 16
# A client that has sent nothing for so long is not in the middle of a pipeline.
QUIET_S = 0.005
_NO_LINGER = struct.pack("ii", 1, 0)

T = TypeVar("T")


class ProxyLoop:
    """The event loop on which proxies run. A context manager."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="proxies", daemon=True)

    def __enter__(self) -> ProxyLoop:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10.0)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the loop and wait for the result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120.0)

    def call(self, function: Callable[[], T]) -> T:
        """Call on the loop and wait for the result."""

        async def called() -> T:
            return function()

        return self.run(called())


@dataclass(eq=False)
class _Connection:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    commands: RedisCommands | None
    last_up_s: float = 0.0
    is_refused: bool = False

    def reset(self) -> None:
        """Both sides see RST, not an orderly end."""
        for writer in (self.client, self.server):
            sock = writer.get_extra_info("socket")
            if sock is not None:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            writer.transport.abort()


class Proxy:
    """One listening port in front of another.

    Args:
        speaks_redis: Commands are told apart, so that they can be refused one by one.
    """

    def __init__(self, loop: ProxyLoop, port: int, to_port: int, *, speaks_redis: bool = False) -> None:
        self._on = loop
        self.port = port
        self._to_port = to_port
        self._speaks_redis = speaks_redis
        self._connections: set[_Connection] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._delay_s = 0.0
        self._accepts = True
        self._refusal: bytes | None = None
        self._replies_to_lose = 0
        self._touched = 0
        self._server: asyncio.Server | None = None

    def start(self) -> None:
        """Listen."""

        async def listen() -> None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

        self._on.run(listen())

    def stop(self) -> None:
        """Listen no more, and end every connection."""

        def close() -> None:
            if self._server is not None:
                self._server.close()
            self._reset()

        self._on.call(close)

    # Faults. What ends one tells how many connections, commands or replies felt it.

    @property
    def connections(self) -> int:
        """Established now."""
        return self._on.call(lambda: len(self._connections))

    def cut(self) -> int:
        """Nothing passes, in either direction; connections stay. How many there are."""

        def cut() -> int:
            self._flows.clear()
            self._touched = 0
            return len(self._connections)

        return self._on.call(cut)

    def join(self) -> int:
        """What was held back passes; how many chunks that were."""

        def join() -> int:
            self._flows.set()
            return self._touched

        return self._on.call(join)

    def slow(self, delay_s: float) -> None:
        """Every chunk is late by this."""

        def slow() -> None:
            self._delay_s, self._touched = delay_s, 0

        self._on.call(slow)

    def no_longer_slow(self) -> int:
        """How many chunks were late."""

        def end() -> int:
            self._delay_s = 0.0
            return self._touched

        return self._on.call(end)

    def reset(self, *, accepts: bool) -> int:
        """Reset every connection, and each new one too unless ``accepts``; how many were established."""

        def reset() -> int:
            self._accepts = accepts
            return self._reset()

        return self._on.call(reset)

    def accept(self) -> None:
        """New connections are served again."""

        def accept() -> None:
            self._accepts = True

        self._on.call(accept)

    def refuse(self, error: str) -> None:
        """Answer each Redis command with this error; the server sees none of them."""

        def refuse() -> None:
            self._refusal, self._touched = f"-{error}\r\n".encode(), 0

        self._on.call(refuse)

    def no_longer_refuse(self) -> int:
        """How many commands were refused."""

        def end() -> int:
            self._refusal = None
            return self._touched

        return self._on.call(end)

    def lose_replies(self, count: int) -> None:
        """The next replies are lost, and their connections reset: what was asked for has happened."""

        def lose() -> None:
            self._replies_to_lose, self._touched = count, 0

        self._on.call(lose)

    def no_longer_lose(self) -> int:
        """How many replies were lost."""

        def end() -> int:
            self._replies_to_lose = 0
            return self._touched

        return self._on.call(end)

    @property
    def replies_lost(self) -> int:
        """So far."""
        return self._on.call(lambda: self._touched)

    # On the loop

    def _reset(self) -> int:
        found = list(self._connections)
        for connection in found:
            connection.reset()
        return len(found)

    async def _serve(self, from_client: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if not self._accepts:
            _Connection(client, client, None).reset()
            return
        try:
            from_server, server = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:
            _Connection(client, client, None).reset()
            return
        connection = _Connection(client, server, RedisCommands() if self._speaks_redis else None)
        self._connections.add(connection)
        try:
            await asyncio.gather(
                self._upstream(from_client, connection), self._downstream(from_server, connection)
            )
        except (OSError, asyncio.IncompleteReadError):
            connection.reset()
        finally:
            self._connections.discard(connection)
            for writer in (client, server):
                writer.close()

    async def _pass(self) -> None:
        if not self._flows.is_set():
            self._touched += 1
            await self._flows.wait()
        if self._delay_s:
            self._touched += 1
            await asyncio.sleep(self._delay_s)

    async def _upstream(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(CHUNK_BYTES):
            await self._pass()
            commands = connection.commands
            if commands is not None:
                # Not in the middle of a pipeline: half a transaction would be another than was meant.
                if loop.time() - connection.last_up_s > QUIET_S and commands.is_between:
                    connection.is_refused = self._refusal is not None
                connection.last_up_s = loop.time()
                complete = commands.feed(data)
                if connection.is_refused:
                    refusal = self._refusal or b"-LOADING Redis is loading the dataset in memory\r\n"
                    self._touched += complete
                    connection.client.write(refusal * complete)
                    continue
            connection.server.write(data)
            await connection.server.drain()
        connection.server.close()

    async def _downstream(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._pass()
            if self._replies_to_lose:
                self._replies_to_lose -= 1
                self._touched += 1
                connection.reset()
                return
            connection.client.write(data)
            await connection.client.drain()
        connection.client.close()
