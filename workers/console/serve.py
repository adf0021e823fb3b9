"""Serving the console: the socket, the token, and an orderly end."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from streams.console_settings import ConsoleSettings
from streams.errors import ConfigurationError, DefectError
from streams.settings import Settings
from workers.console.app import console_app
from workers.console.console import Console
from workers.console.guard import EVERY_ADDRESS, Access, is_loopback

# Open connections, event streams among them: a browser opens six at most.
CONNECTIONS_A_STREAM = 6
STOP_TIMEOUT_S = 2
_SEND_BUFFER_BYTES = 256 * 1_024


class _WithoutDroppedStreams(logging.Filter):
    """A stream that was given up, as its browser reads nothing, is no error: its connection is closed."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See logging."""
        return "without completing response" not in str(record.msg)


class _Server(uvicorn.Server):
    """Leaves signals to the command line."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn."""
        yield


def token_for(console: ConsoleSettings) -> str | None:
    """The token that is set, one made up where the console is bound beyond loopback, else none."""
    if console.token is not None:
        return console.token.get_secret_value()
    return None if is_loopback(console.host) else secrets.token_urlsafe(24)


def listen(console: ConsoleSettings) -> socket.socket:
    """The socket that is served.

    Raises:
        ConfigurationError: The address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in console.host else socket.AF_INET
    try:
        served = socket.create_server((console.host, console.port), family=family, backlog=64)
        # Its connections inherit it: what the system holds for a browser that reads nothing is bounded.
        served.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        return served
    except OSError as error:
        raise ConfigurationError(
            f"the console cannot listen on {console.host}:{console.port} ({error.strerror or error}): "
            "change `console.host` or `console.port` (0 takes a free port)"
        ) from error


def address(console: ConsoleSettings, port: int, token: str | None) -> str:
    """What a person opens. The token stands after the #: it is sent to no server and logged by none."""
    host = "127.0.0.1" if console.host in EVERY_ADDRESS else console.host
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/" + (f"#token={token}" if token else "")


async def serve(
    settings: Settings,
    stop: asyncio.Event,
    ready: Callable[[int, str], None],
    default_workers_file: Path | None = None,
) -> None:
    """Serve until ``stop``.

    Args:
        ready: Told the port and the address once it answers.

    Raises:
        ConfigurationError: The settings cannot work: says which.
    """
    logging.getLogger("uvicorn.error").addFilter(_WithoutDroppedStreams())
    console = settings.console
    token = token_for(console)
    access = Access(console.host, console.allowed_hosts, token)
    with listen(console) as listening:
        port = int(listening.getsockname()[1])
        server = _Server(
            uvicorn.Config(
                console_app(Console(settings, default_workers_file), access),
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                ws="none",
                limit_concurrency=CONNECTIONS_A_STREAM * console.max_streams + 8,
                timeout_keep_alive=15,
                timeout_graceful_shutdown=STOP_TIMEOUT_S,
                h11_max_incomplete_event_size=32_768,
            )
        )
        serving = asyncio.create_task(server.serve([listening]))
        stopping = asyncio.create_task(stop.wait())
        try:
            while not server.started and not serving.done():
                await asyncio.sleep(0.02)
            if serving.done():
                serving.result()
                raise DefectError("the console did not start; its log says why")
            ready(port, address(console, port, token))
            await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            server.should_exit = True
            await serving
