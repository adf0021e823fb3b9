"""Keeps workers running as child processes: starts, watches, starts again, stops."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streams.errors import ConfigurationError, DefectError, DependencyDownError, FreshetError
from workers.child_process import ChildProcess
from workers.exit_codes import CONFIGURATION, DEPENDENCY_DOWN
from workers.flags import Flags, environment_of, merged
from workers.process_memory import pss_bytes, tree_pss_bytes
from workers.workers_file import RunningWorker

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
HEALTHY_AFTER_S = 60.0
POLL_INTERVAL_S = 0.1
START_TIMEOUT_S = 300.0
# What a worker may take by itself: `worker.shutdown_timeout_s`, and its consumer half a minute.
STOP_TIMEOUT_S = 45.0

CommandFor = Callable[[str], Sequence[str]]


def worker_command(role: str) -> list[str]:
    """The command that runs one role in its process."""
    return [sys.executable, "-m", "workers.cli", "worker", role]


@dataclass(slots=True)
class _Worker:
    """A place for a worker: its process now, and when the next one may start."""

    name: str
    role: str
    flags: Flags
    child: ChildProcess | None = None
    next_start_s: float = 0.0
    backoff_s: float = FIRST_BACKOFF_S
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What `Supervisor.workers` tells of one worker. ``pid`` and ``port`` are None where it does not run."""

    name: str
    role: str
    pid: int | None
    port: int | None
    ready: bool
    reason: str
    restarts: int


class Supervisor:
    """Workers as child processes. A context manager: leaving it stops them all.

    It has no thread of its own: call `poll` now and then (or `run`), from the thread that made the
    supervisor and lives as long as the workers should. The kernel kills them when that thread ends,
    in whatever way, SIGKILL included.

    Args:
        flags: Settings of the workers, section by section, over what they read themselves.
        config: The settings file, where it is not freshet.toml in the working folder.
        log_folder: Where each worker's output goes, as NAME.log; None leaves it on standard error.
        say: Told, in a line for a person, of what happens by itself: a worker that died and is started again.
        command_for: The command for a role; workers write their health port as `announce_port` does.
        metrics_port: 0 lets each worker take a free port; else the first has this one, the second the
            next, and so on.
        health_host: Where the workers' health endpoints are asked.
    """

    def __init__(
        self,
        *,
        flags: Flags | None = None,
        config: Path | None = None,
        log_folder: Path | None = None,
        say: Callable[[str], None] = lambda line: None,
        command_for: CommandFor = worker_command,
        metrics_port: int = 0,
        health_host: str = "127.0.0.1",
    ) -> None:
        self._flags = flags or {}
        self._config = config
        self._log_folder = log_folder
        self._say = say
        self._command_for = command_for
        self._metrics_port = metrics_port
        self._health_host = health_host
        self._workers: list[_Worker] = []
        self._stopping = False

    def start(self, role: str, count: int = 1) -> list[str]:
        """Start ``count`` more workers of a role, and return their names; `wait_ready` waits for them."""
        if self._log_folder is not None:
            try:
                self._log_folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigurationError(
                    f"the folder for logs, {self._log_folder}, cannot be made: {error.strerror}"
                ) from None
        started = []
        for _ in range(count):
            same = sum(worker.role == role for worker in self._workers)
            name = role if same == 0 else f"{role}-{same + 1}"
            port = self._metrics_port + len(self._workers) if self._metrics_port else 0
            worker = _Worker(name, role, merged(self._flags, {"worker": {"metrics_port": port}}))
            self._workers.append(worker)
            self._spawn(worker)
            started.append(name)
        return started

    def wait_ready(
        self, timeout_s: float = START_TIMEOUT_S, on_ready: Callable[[str], None] = lambda name: None
    ) -> None:
        """Wait until every worker is in its group and works.

        Args:
            timeout_s: How long that may take.
            on_ready: Called with the name of each worker as it becomes ready.

        Raises:
            ConfigurationError, DependencyDownError, DefectError: A worker ended, or is not ready in
                time; the message has the last lines of its log.
        """
        deadline_s = time.monotonic() + timeout_s
        waiting = list(self._workers)
        reasons: dict[str, str] = {}
        while waiting:
            for worker in list(waiting):
                child = worker.child
                if child is None or child.exit_code is not None:
                    raise self._failure(worker)
                ready, reasons[worker.name] = child.readiness()
                if ready:
                    waiting.remove(worker)
                    on_ready(worker.name)
            if waiting and time.monotonic() > deadline_s:
                late = "; ".join(f"{worker.name}: {reasons[worker.name]}" for worker in waiting)
                raise DependencyDownError(f"not ready within {timeout_s:g} s: {late}{_log_of(waiting[0])}")
            if waiting:
                time.sleep(POLL_INTERVAL_S)

    def poll(self) -> None:
        """See what has ended, and start again what is due. Returns at once."""
        if self._stopping:
            return
        now_s = time.monotonic()
        for worker in self._workers:
            child = worker.child
            if child is not None and (code := child.exit_code) is not None:
                if now_s - child.started_at_s > HEALTHY_AFTER_S:
                    worker.backoff_s = FIRST_BACKOFF_S
                child.close()
                worker.child = None
                worker.next_start_s = now_s + worker.backoff_s
                self._say(
                    f"{worker.name} {ending(code)}; started again in {worker.backoff_s:g} s"
                    + (f" (log: {child.log_path})" if child.log_path else "")
                )
                worker.backoff_s = min(LONGEST_BACKOFF_S, 2 * worker.backoff_s)
            if worker.child is None and now_s >= worker.next_start_s:
                self._spawn(worker)
                worker.restarts += 1

    def run(self, until: Callable[[], bool]) -> None:
        """`poll` until ``until()``."""
        while not until():
            self.poll()
            time.sleep(POLL_INTERVAL_S)

    def kill(self, role: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to the first running worker of ``role``, and return its process id.

        Raises:
            DefectError: None runs.
        """
        for worker in self._of(role):
            if worker.child is not None and worker.child.exit_code is None:
                worker.child.send(number)
                return worker.child.pid
        raise DefectError(f"no worker of the role `{role}` runs")

    def pids(self, role: str | None = None) -> list[int]:
        """Process ids of the running workers, of one role or of all."""
        return [
            worker.child.pid
            for worker in self._of(role)
            if worker.child is not None and worker.child.exit_code is None
        ]

    def workers(self) -> list[WorkerState]:
        """The state of each worker; asks their health endpoints."""
        return [self._state(worker) for worker in self._workers]

    def endpoints(self) -> list[RunningWorker]:
        """Where the running workers' health endpoints are; asks none of them."""
        return [
            RunningWorker(worker.name, worker.role, worker.child.url(""))
            for worker in self._workers
            if worker.child is not None and worker.child.port is not None
        ]

    def memory(self, others: Mapping[str, int] | None = None) -> dict[str, int]:
        """Bytes in use (PSS) by this process, each worker with its children, and ``others`` (name to pid)."""
        found = {"this command": pss_bytes(os.getpid())}
        found |= {name: tree_pss_bytes(pid) for name, pid in (others or {}).items()}
        for worker in self._workers:
            if worker.child is not None and worker.child.exit_code is None:
                found[worker.name] = tree_pss_bytes(worker.child.pid)
        return found

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> list[str]:
        """Ask all to finish (SIGTERM), and kill what has not ended in time; the names of those killed."""
        self._stopping = True
        children = [(worker.name, worker.child) for worker in self._workers if worker.child is not None]
        for _, child in children:
            child.send(signal.SIGTERM)
        deadline_s = time.monotonic() + timeout_s
        killed = [name for name, child in children if not child.wait(deadline_s - time.monotonic())]
        for _, child in children:
            child.close()
        for worker in self._workers:
            worker.child = None
        return killed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _of(self, role: str | None) -> list[_Worker]:
        return [worker for worker in self._workers if role in (None, worker.role)]

    def _spawn(self, worker: _Worker) -> None:
        log_path = None if self._log_folder is None else self._log_folder / f"{worker.name}.log"
        worker.child = ChildProcess(
            self._command_for(worker.role),
            environment_of(worker.flags, self._config),
            log_path,
            self._health_host,
        )

    def _state(self, worker: _Worker) -> WorkerState:
        child = worker.child
        if child is None or child.exit_code is not None:
            return WorkerState(
                worker.name, worker.role, None, None, False, "it does not run", worker.restarts
            )
        ready, reason = child.readiness()
        return WorkerState(worker.name, worker.role, child.pid, child.port, ready, reason, worker.restarts)

    def _failure(self, worker: _Worker) -> FreshetError:
        child = worker.child
        code = None if child is None else child.exit_code
        told = f"the worker `{worker.name}` {ending(code)} while starting{_log_of(worker)}"
        match code:
            case code if code == CONFIGURATION:
                return ConfigurationError(told)
            case code if code == DEPENDENCY_DOWN or (code is not None and code < 0):
                return DependencyDownError(told)
            case _:
                return DefectError(told)


def ending(code: int | None) -> str:
    """How a process ended, in words."""
    if code is None:
        return "is not there"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}"


def _log_of(worker: _Worker) -> str:
    child: Any = worker.child
    if child is None or child.log_path is None:
        return ""
    tail = child.log_tail()
    return f"; its log {child.log_path} " + (f"ends with:\n{tail}" if tail else "is empty")
