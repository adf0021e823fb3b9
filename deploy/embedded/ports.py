"""Free ports on loopback."""

from __future__ import annotations

import random
import socket

from streams.errors import ConfigurationError

LOOPBACK = "127.0.0.1"
# Below Linux's default range of ephemeral ports (32768 and up). A client that reconnects to a server that is
# down can be given that very port as its own source port, and then talks to itself and blocks the restart.
_FIRST_PORT = 15_000
_LAST_PORT = 32_000
_TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        # As servers do: a connection of the previous server that lingers in TIME_WAIT is no obstacle.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port(*, other_than: int | None = None) -> int:
    """A port on which nothing listens. Another process can still take it before its use: try again then.

    Args:
        other_than: A port that is meant for something else.

    Raises:
        ConfigurationError: None of many tried was free.
    """
    for _ in range(_TRIES):
        port = random.randint(_FIRST_PORT, _LAST_PORT)
        if port != other_than and is_free(port):
            return port
    raise ConfigurationError(
        f"no free port found on {LOOPBACK} between {_FIRST_PORT} and {_LAST_PORT}; name one that is free"
    )


def accepts_connections(port: int, timeout_s: float = 1.0) -> bool:
    """Whether something listens on this port of the loopback address."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=timeout_s).close()
    except OSError:
        return False
    return True
