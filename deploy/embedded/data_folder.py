"""A data folder that one server at a time may use."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from streams.errors import ConfigurationError, DefectError

_LOCK_FILE = ".lock"
# A server whose parent was killed a moment ago takes this long, at the most, to die and let go.
_WAIT_S = 3.0


class DataFolder:
    """The folder of one server, held by an advisory lock (flock).

    The server inherits the lock's file descriptor, so that the folder stays locked until both the process
    that started it and the server itself are gone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The descriptor that the server has to inherit."""
        if self._descriptor is None:
            raise DefectError(f"the data folder {self.path} is not locked")
        return self._descriptor

    def lock(self, purpose: str) -> None:
        """Create the folder where it does not exist, and hold it.

        Args:
            purpose: Whose data these are ("Kafka"), for the message.

        Raises:
            ConfigurationError: It is in use, or cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f"the data folder of {purpose}, {self.path}, cannot be written ({error.strerror}); "
                "name another one, or change its owner or permissions"
            ) from None
        try:
            self._take(descriptor, purpose)
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go. Does nothing where it is not held."""
        if self._descriptor is not None:
            # Not only closed: a copy that some other child inherited would keep the lock.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = None

    def _take(self, descriptor: int, purpose: str) -> None:
        deadline = time.monotonic() + _WAIT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise ConfigurationError(
                f"the data folder of {purpose}, {self.path}, is in use (by the process {holder}); "
                "stop that one, or name another folder"
            )
