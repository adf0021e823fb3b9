"""Decoders that do what hostile media make real ones do. Children import them by name."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import MediaTooLargeError, MediaUnreadableError


def behave(data: bytes, **options: Any) -> Any:
    """Does what the data say."""
    return _BEHAVIOURS[data.decode()](**options)


def _echo(length: int = 3, pause_s: float = 0.0) -> NDArray[np.uint8]:
    time.sleep(pause_s)
    return np.arange(length, dtype=np.uint8)


def _several() -> tuple[NDArray[Any] | None, ...]:
    return np.ones((2, 3), np.float32), None, np.empty((0, 4), np.uint8)


def _crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _allocate() -> int:
    return len([np.ones(1 << 28, np.uint8) for _ in range(64)])


def _sleep() -> None:
    time.sleep(3_600)


def _spin() -> None:
    while True:
        pass


def _exit() -> None:
    os._exit(3)


def _open_file() -> str:
    return Path("/etc/passwd").read_text()


def _connect(port: int) -> None:
    socket.create_connection(("127.0.0.1", port))


def _environment() -> NDArray[np.uint8]:
    return np.frombuffer("\n".join(os.environ).encode(), np.uint8)


def _unreadable() -> None:
    raise MediaUnreadableError("torn in two")


def _too_large() -> None:
    raise MediaTooLargeError("larger than life")


def _defect() -> None:
    raise KeyError("nobody expects it")


def _print() -> NDArray[np.uint8]:
    os.write(1, b"noise of a C library on standard output")
    return np.zeros(1, np.uint8)


def _vast() -> NDArray[np.uint8]:
    return np.zeros(1 << 21, np.uint8)


def _strange() -> NDArray[np.complex128]:
    return np.zeros(3, np.complex128)


_BEHAVIOURS: dict[str, Any] = {
    name.removeprefix("_"): value for name, value in list(globals().items()) if callable(value)
}
