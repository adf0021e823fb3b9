"""A place for one worker, with a network of its own: a proxy to Kafka and one to Redis."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults.proxy import Proxy, ProxyLoop
from tests.faults.switchboard import ENVIRONMENT, Switchboard
from workers.flags import Flags, merged
from workers.supervisor import Supervisor, WorkerState

REPOSITORY = Path(__file__).resolve().parents[2]


class Slot:
    """One role, kept running by a supervisor as `freshet up` does it.

    Args:
        name: Such as ``profile-2``.
        kafka: Between the worker and the listener of Kafka that is its own.
        redis: Between the worker and Redis.
        flags: Settings, without the addresses.
        folder: Its log and its switchboard are here.
        say: Told when the worker is started again.
    """

    def __init__(
        self,
        name: str,
        role: str,
        kafka: Proxy,
        redis: Proxy,
        flags: Flags,
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        self.name = name
        self.role = role
        self.kafka = kafka
        self.redis = redis
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "switchboard"
        path.unlink(missing_ok=True)
        self.switches = Switchboard(path)
        addresses: dict[str, Any] = {
            "kafka": {"bootstrap_servers": f"127.0.0.1:{kafka.port}"},
            "redis": {"url": f"redis://127.0.0.1:{redis.port}/0"},
        }
        self._flags = merged(flags, addresses)
        self._folder = folder
        self._path = path
        self._say = say
        self.release = REPOSITORY
        """Where the code of the worker is that is started next."""
        self._supervisor: Supervisor | None = None
        self._is_stopped = False

    @property
    def log(self) -> Path:
        """What the worker writes."""
        return self._folder / f"{self.role}.log"

    def start(self) -> None:
        """Start the worker; it is kept running until `stop`. From the main thread, as it ends with that."""
        self._supervisor = Supervisor(
            flags=self._flags,
            log_folder=self._folder,
            say=self._say,
            command_for=_command,
        )
        with self._environment():
            self._supervisor.start(self.role)

    def stop(self) -> bool:
        """Ask it to end (SIGTERM); whether it did by itself."""
        if self._supervisor is None:
            return True
        self.resume()
        killed = self._supervisor.stop()
        self._supervisor = None
        return not killed

    def poll(self) -> None:
        """Start it again where it has ended."""
        if self._supervisor is not None:
            with self._environment():
                self._supervisor.poll()

    @property
    def is_running(self) -> bool:
        """Whether there is a process now."""
        return self._supervisor is not None and bool(self._supervisor.pids())

    @property
    def state(self) -> WorkerState | None:
        """What its health endpoint says; None while it is stopped for good."""
        return self._supervisor.workers()[0] if self._supervisor is not None else None

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        state = self.state
        return 0 if state is None else state.restarts

    @property
    def is_ready(self) -> bool:
        """Whether it is in its group and works."""
        return not self._is_stopped and self.state is not None and self.state.ready

    def await_ready(self, timeout_s: float = 300.0) -> None:
        """Wait until it works."""
        deadline_s = time.monotonic() + timeout_s
        while not self.is_ready:
            self.poll()
            if time.monotonic() > deadline_s:
                raise AssertionError(f"{self.name} is not ready within {timeout_s} s: {self.log_tail()}")
            time.sleep(0.1)

    def kill(self) -> int:
        """SIGKILL; how many processes that were."""
        return self._send(signal.SIGKILL)

    def terminate(self) -> int:
        """SIGTERM, as a rollout does; it is started again."""
        return self._send(signal.SIGTERM)

    def suspend(self) -> int:
        """SIGSTOP; how many processes that were."""
        self._is_stopped = self._send(signal.SIGSTOP) > 0
        return int(self._is_stopped)

    def resume(self) -> None:
        """SIGCONT."""
        self._send(signal.SIGCONT)
        self._is_stopped = False

    def log_tail(self) -> str:
        """The last lines of its log."""
        return self.log.read_text("utf-8", "replace")[-3_000:] if self.log.exists() else ""

    @contextmanager
    def _environment(self) -> Iterator[None]:
        """That of a worker which is started within; this process has its own again afterwards."""
        before = dict(os.environ)
        os.environ.update({**release_environment(self.release), ENVIRONMENT: str(self._path)})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def _send(self, number: signal.Signals) -> int:
        if self._supervisor is None:
            return 0
        pids = self._supervisor.pids()
        for pid in pids:
            os.kill(pid, number)
        return len(pids)


def release_environment(folder: Path) -> dict[str, str]:
    """In which Python takes Freshet from a folder, and the tests from here, whatever folder it runs in."""
    return {"PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}", "PYTHONSAFEPATH": "1"}


def _command(role: str) -> list[str]:
    return [sys.executable, "-m", "tests.faults.role_process", role]


def proxies_for(
    loop: ProxyLoop, kafka_port: int, kafka_listener: int, redis_port: int, redis_to: int
) -> tuple[Proxy, Proxy]:
    """The two proxies of a slot, listening."""
    kafka = Proxy(loop, kafka_port, kafka_listener)
    redis = Proxy(loop, redis_port, redis_to, speaks_redis=True)
    kafka.start()
    redis.start()
    return kafka, redis
