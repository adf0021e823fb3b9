"""One worker in a process of its own, which ends with the process that started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any

from deploy import die_with_parent

ANNOUNCE_ENVIRONMENT = "FRESHET_ANNOUNCE_FD"
"""Names the file descriptor on which a worker writes the port of its health endpoint, as one line."""

LOG_TAIL_BYTES = 3_000
LOG_KEEP_BYTES = 16 << 20
_READY_TIMEOUT_S = 1.0


def announce_port(port: int) -> None:
    """Tell the process that started this worker where its health endpoint is; nothing where none asked."""
    descriptor = os.environ.pop(ANNOUNCE_ENVIRONMENT, None)
    if descriptor is not None:
        with os.fdopen(int(descriptor), "wb") as pipe:
            pipe.write(b"%d\n" % port)


class ChildProcess:
    """A started worker.

    Args:
        command: What to run.
        environment: Beside this process's own.
        log_path: Where its output goes; None leaves it on this process's standard error.
        health_host: Where its health endpoint is asked.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log_path: Path | None,
        health_host: str = "127.0.0.1",
    ) -> None:
        self.log_path = log_path
        self._health_host = health_host
        self.started_at_s = time.monotonic()
        self.was_ready = False
        self._port: int | None = None
        self._announced = b""
        self._log_start = self._make_room_in_log()
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        try:
            log = sys.stderr.fileno() if log_path is None else os.open(log_path, _APPEND, 0o600)
            try:
                self._process = die_with_parent.spawn(
                    command,
                    env={**os.environ, **environment, ANNOUNCE_ENVIRONMENT: str(write_end)},
                    pass_fds=[write_end],
                    stdout=log,
                    stderr=log,
                    # Ctrl-C in a terminal goes to the parent alone, which stops things in order.
                    start_new_session=True,
                )
            finally:
                if log_path is not None:
                    os.close(log)
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        self._announcement: int | None = read_end

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the number of the signal that killed it."""
        return self._process.poll()

    @property
    def port(self) -> int | None:
        """The port of its health endpoint, once it has told."""
        if self._announcement is not None:
            try:
                read = os.read(self._announcement, 64)
            except BlockingIOError:
                return None
            self._announced += read
            if not read or self._announced.endswith(b"\n"):
                self._forget_announcement()
            if self._announced.endswith(b"\n"):
                self._port = int(self._announced)
        return self._port

    def readiness(self) -> tuple[bool, str]:
        """Whether it says that it works, and what it waits for otherwise."""
        if self.port is None:
            return False, "it gets ready"
        try:
            ready, body = self._answer_to("/ready")
        except (OSError, HTTPException):
            return False, "its health endpoint does not answer"
        self.was_ready = self.was_ready or ready
        return ready, _reason(body)

    def _answer_to(self, path: str) -> tuple[bool, bytes]:
        """Whether the health endpoint says yes, and the rest of its answer, which may come late."""
        try:
            with urllib.request.urlopen(self.url(path), timeout=_READY_TIMEOUT_S) as answer:
                return True, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return False, error.read()

    def url(self, path: str) -> str:
        """Of its health endpoint."""
        return f"http://{self._health_host}:{self.port}{path}"

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self, timeout_s: float) -> bool:
        """Whether it has ended within ``timeout_s``."""
        try:
            self._process.wait(max(0.0, timeout_s))
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        """Kill it where it still runs, and let go of what this process holds of it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._forget_announcement()

    def log_tail(self) -> str:
        """The last lines that it wrote."""
        if self.log_path is None:
            return ""
        try:
            with self.log_path.open("rb") as log:
                end = log.seek(0, os.SEEK_END)
                log.seek(max(min(self._log_start, end), end - LOG_TAIL_BYTES))
                return log.read().decode("utf-8", "replace").strip()
        except OSError:
            return ""

    def _make_room_in_log(self) -> int:
        """Put an overlong log aside; where the new one begins."""
        if self.log_path is None or not self.log_path.exists():
            return 0
        if self.log_path.stat().st_size > LOG_KEEP_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
            return 0
        return self.log_path.stat().st_size

    def _forget_announcement(self) -> None:
        if self._announcement is not None:
            os.close(self._announcement)
            self._announcement = None


_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


def _reason(body: bytes) -> str:
    try:
        answer: Any = json.loads(body)
        return str(answer["reason"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")
