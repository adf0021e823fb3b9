"""What a proxy does to a connection."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from deploy.embedded.ports import free_port
from tests.faults.proxy import Proxy, ProxyLoop
from tests.faults.redis_protocol import RedisCommands


class Echo:
    """A server that answers with what it is sent, and remembers it."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.received = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                taken, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(taken,), daemon=True).start()

    def _serve(self, taken: socket.socket) -> None:
        try:
            while data := taken.recv(4_096):
                self.received += data
                taken.sendall(data)
        except OSError:
            return


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.listener.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with ProxyLoop() as loop:
        made = Proxy(loop, free_port(), echo.port, speaks_redis=True)
        made.start()
        yield made
        made.stop()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60.0) as made:
        yield made


PING = b"*1\r\n$4\r\nPING\r\n"


def test_what_is_sent_comes_back(client: socket.socket, proxy: Proxy) -> None:
    client.sendall(PING)
    assert client.recv(100) == PING
    assert proxy.connections == 1


def test_a_cut_holds_back_and_loses_nothing(client: socket.socket, proxy: Proxy, echo: Echo) -> None:
    assert proxy.cut() == 0 or proxy.connections
    client.sendall(PING)
    deadline = time.monotonic() + 60
    while not proxy._touched and time.monotonic() < deadline:
        time.sleep(0.01)
    assert echo.received == b""
    assert proxy.join() == 1
    assert client.recv(100) == PING


def test_a_reset_is_felt_and_none_is_accepted_until_healed(client: socket.socket, proxy: Proxy) -> None:
    client.sendall(PING)
    client.recv(100)
    assert proxy.reset(accepts=False) == 1
    with pytest.raises(ConnectionResetError):
        client.recv(100)
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", proxy.port), timeout=60.0) as other:  # noqa: PT012
        other.sendall(PING)
        assert other.recv(100) == b""
        raise OSError
    proxy.accept()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60.0) as other:
        other.sendall(PING)
        assert other.recv(100) == PING


def test_a_refused_command_does_not_reach_the_server(client: socket.socket, proxy: Proxy, echo: Echo) -> None:
    proxy.refuse("OOM no")
    time.sleep(0.02)
    client.sendall(PING + PING)
    assert client.recv(100) == b"-OOM no\r\n-OOM no\r\n"
    assert echo.received == b""
    assert proxy.no_longer_refuse() == 2
    time.sleep(0.02)
    client.sendall(PING)
    assert client.recv(100) == PING


def test_a_lost_reply_is_of_what_was_done(client: socket.socket, proxy: Proxy, echo: Echo) -> None:
    proxy.lose_replies(1)
    client.sendall(PING)
    with pytest.raises(ConnectionResetError):
        client.recv(100)
    assert echo.received == PING
    assert proxy.no_longer_lose() == 1


def test_commands_are_counted_however_they_are_cut() -> None:
    stream = PING + b"*2\r\n$3\r\nGET\r\n$5\r\na\r\n*1\r\n" + b"*1\r\n$0\r\n\r\n"
    whole = RedisCommands()
    assert whole.feed(stream) == 3
    assert whole.is_between
    for size in range(1, len(stream)):
        parts = RedisCommands()
        assert sum(parts.feed(stream[at : at + size]) for at in range(0, len(stream), size)) == 3
        assert parts.is_between
