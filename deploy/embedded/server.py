"""What embedded servers have in common: the data folder, the port, the child process, its life."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from deploy import die_with_parent
from deploy.embedded.data_folder import DataFolder
from deploy.embedded.ports import LOOPBACK, accepts_connections, free_port, is_free
from streams.errors import ConfigurationError, DefectError, DependencyDownError

_PROBE_INTERVAL_S = 0.03
_LOG_TAIL_BYTES = 3_000
_LOG_KEEP_BYTES = 8 << 20
_PORT_TRIES = 3


def ignore_progress(message: str) -> None:
    """The progress callback that shows nothing."""


class EmbeddedServer(ABC):
    """A server on loopback, in a child process that never outlives the thread that started it.

    Use it as a context manager, or with :meth:`start` and :meth:`stop`. It can be started again, also after
    :meth:`kill`, and then has the same port and the same data.
    """

    name: ClassVar[str]

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        start_timeout_s: float = 60.0,
        stop_timeout_s: float = 20.0,
        on_progress: Callable[[str], None] = ignore_progress,
    ) -> None:
        """Describe the server; nothing is started or written yet.

        Args:
            data_dir: Where its data, its configuration and its log are. Created if missing, reused if not.
            port: The port on 127.0.0.1; a free one if None.
            start_timeout_s: How long it may take until it answers, downloads not counted.
            stop_timeout_s: How long an orderly end may take before the process is killed.
            on_progress: Called with a line for a person at each step that takes time.
        """
        self._folder = DataFolder(Path(data_dir))
        self._wanted_port = port
        self._port = port
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._on_progress = on_progress
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _command(self) -> list[str]:
        """Write what the server needs into the data folder; the command that runs it there."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether what accepts connections on the port is this server, answers, and is ready for clients."""

    @property
    def data_dir(self) -> Path:
        """Where the data are, absolute."""
        return self._folder.path

    @property
    def log_path(self) -> Path:
        """The server's own log, within the data folder."""
        return self.data_dir / f"{self.name.lower()}.log"

    @property
    def port(self) -> int:
        """The port on 127.0.0.1; known once it was started, or from the start if it was named."""
        if self._port is None:
            raise DefectError(f"{self.name} has no port before it is started")
        return self._port

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self._process is None:
            raise DefectError(f"{self.name} is not running")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it and wait until it answers.

        Call it from a thread that lives as long as the server should: the kernel ends the server with it.

        Raises:
            ConfigurationError: The data folder is in use or not writable, the port is taken, or a program
                that the server needs is missing.
            DependencyDownError: It did not start, or not in time; the message has the end of its log.
        """
        if not sys.platform.startswith("linux"):
            raise ConfigurationError(
                f"an embedded {self.name} needs Linux; start one yourself and name it in the settings"
            )
        if self.is_running:
            raise DefectError(f"{self.name} is running already")
        self._end()
        self._folder.lock(self.name)
        try:
            for last in [False] * (_PORT_TRIES - 1) + [True]:
                if self._try_to_start(may_give_up_port=not last):
                    break
        except BaseException:
            self._end()
            raise
        return self

    def stop(self) -> None:
        """End it in an orderly way, by force after ``stop_timeout_s``. Nothing happens if it is not there."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(self._stop_timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._end()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would, and wait until it is gone."""
        self._end()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _run_in_data_dir(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Start a child that works in the data folder, writes to the log and holds the folder's lock."""
        with self.log_path.open("ab") as log:
            return die_with_parent.spawn(
                command,
                cwd=self.data_dir,
                stdout=log,
                stderr=log,
                pass_fds=[self._folder.descriptor],
                # Ctrl-C in a terminal goes to the parent alone, which stops things in the right order.
                start_new_session=True,
            )

    def _try_to_start(self, *, may_give_up_port: bool) -> bool:
        """False where a port that nobody had asked for was taken by another process meanwhile."""
        self._choose_port()
        self._rotate_log()
        command = self._command()
        self._on_progress(f"starting {self.name} on port {self.port}")
        log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        self._process = self._run_in_data_dir(command)
        deadline = time.monotonic() + self._start_timeout_s
        while self._process.poll() is None:
            if accepts_connections(self.port) and self._answers():
                return True
            if time.monotonic() > deadline:
                raise DependencyDownError(
                    f"{self.name} did not answer on {self.address} within {self._start_timeout_s:g} s; "
                    + self._end_of_log(log_start)
                )
            time.sleep(_PROBE_INTERVAL_S)
        if may_give_up_port and self._wanted_port is None and not is_free(self.port):
            self._port = None
            return False
        raise DependencyDownError(f"{self.name} ended while starting; " + self._end_of_log(log_start))

    def _choose_port(self) -> None:
        if self._port is None:
            self._port = free_port()
        elif not is_free(self._port):
            raise ConfigurationError(
                f"the port {self._port} on {LOOPBACK} is taken, so {self.name} cannot be started there; "
                "stop what uses it, or name another port"
            )

    def _rotate_log(self) -> None:
        if self.log_path.exists() and self.log_path.stat().st_size > _LOG_KEEP_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))

    def _end_of_log(self, start: int) -> str:
        try:
            with self.log_path.open("rb") as log:
                end = log.seek(0, os.SEEK_END)
                log.seek(max(start, end - _LOG_TAIL_BYTES))
                text = log.read().decode("utf-8", "replace").strip()
        except OSError:
            text = ""
        return f"its log is {self.log_path}" + (f" and ends with:\n{text}" if text else " and is empty")

    def _end(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
        self._folder.release()
