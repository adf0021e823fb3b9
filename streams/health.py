"""Each worker's health endpoint: `/metrics`, `/live` and `/ready`, on loopback unless told otherwise."""

from __future__ import annotations

import asyncio
from time import monotonic
from types import TracebackType
from typing import Protocol, Self

import prometheus_client
import structlog
from aiohttp import web

from streams.driver import RunnerStats
from streams.errors import ConfigurationError, DefectError
from streams.liveness import Liveness, Sample, Verdict
from streams.metrics import REGISTRY
from streams.runner_metrics import RUNNERS
from streams.settings import Settings

SAMPLE_INTERVAL_S = 1.0

_log = structlog.get_logger(__name__)


class WatchedRunner(Protocol):
    """What health asks of a `RoleRunner`."""

    def stats(self) -> RunnerStats:
        """The state now."""


class HealthServer:
    """Serves one worker's health. An async context manager.

    - ``/metrics``: Prometheus text.
    - ``/live``: 200, or 503 where records wait and nothing is committed for ``worker.stall_timeout_s``.
    - ``/ready``: 200 once the worker is in its group and works, else 503.

    The last two answer JSON with the reason. Before `watch` the worker is alive and not ready.
    """

    def __init__(self, settings: Settings, role: str) -> None:
        self._settings = settings.worker
        self._role = role
        self._runner: WatchedRunner | None = None
        self._liveness = Liveness(settings.worker.stall_timeout_s)
        self._web: web.AppRunner | None = None
        self._sampling: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._web is None or not self._web.addresses:
            raise DefectError("the health endpoint is not started")
        return int(self._web.addresses[0][1])

    def watch(self, runner: WatchedRunner) -> None:
        """From now on it is this runner's state that is shown."""
        self._runner = runner
        self._liveness = Liveness(self._settings.stall_timeout_s)
        RUNNERS.watch(self._role, runner.stats)

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            ConfigurationError: The address cannot be listened on.
        """
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/live", self._live),
                web.get("/ready", self._ready),
            ]
        )
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        host, port = self._settings.metrics_host, self._settings.metrics_port
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise ConfigurationError(
                f"the health endpoint cannot listen on {host}:{port} ({error.strerror or error}): change "
                "`worker.metrics_host` or `worker.metrics_port` (0 takes a free port)"
            ) from error
        self._web = runner
        self._sampling = asyncio.create_task(self._sample(), name="health")
        _log.info("health endpoint", role=self._role, address=f"http://{host}:{self.port}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        RUNNERS.forget(self._role)
        if self._sampling is not None:
            self._sampling.cancel()
            await asyncio.gather(self._sampling, return_exceptions=True)
        if self._web is not None:
            await self._web.cleanup()
            self._web = None

    def liveness(self) -> Verdict:
        """Judge the worker as it is now."""
        if self._runner is None:
            return Verdict(True, "starting", "the role gets ready")
        return self._liveness.observe(sample_of(self._runner.stats(), monotonic()))

    def readiness(self) -> tuple[bool, str]:
        """Whether the worker does its work now, and why not."""
        if self._runner is None:
            return False, "the role gets ready"
        stats = self._runner.stats()
        waits_for = waited_for(stats)
        if waits_for is not None:
            return False, f"waits for {waits_for}"
        if stats.problem is not None:
            return False, stats.problem
        return True, stats.state

    async def _sample(self) -> None:
        # Also while nobody asks, as only what was seen before can be seen to stand still.
        was_alive = True
        while True:
            await asyncio.sleep(min(SAMPLE_INTERVAL_S, self._settings.stall_timeout_s / 10))
            verdict = self.liveness()
            if was_alive and not verdict.alive:
                _log.error("not alive", role=self._role, reason=verdict.reason)
            was_alive = verdict.alive

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=prometheus_client.generate_latest(REGISTRY),
            headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST},
        )

    async def _live(self, _: web.Request) -> web.Response:
        verdict = self.liveness()
        answer = {
            "alive": verdict.alive,
            "state": verdict.state,
            "reason": verdict.reason,
            "stalled_for_s": round(verdict.stalled_for_s, 1),
            "role": self._role,
        }
        return web.json_response(answer, status=200 if verdict.alive else 503)

    async def _ready(self, _: web.Request) -> web.Response:
        ready, reason = self.readiness()
        answer = {"ready": ready, "reason": reason, "role": self._role}
        return web.json_response(answer, status=200 if ready else 503)


def waited_for(stats: RunnerStats) -> str | None:
    """What a runner waits for, in words; None while it works."""
    match stats.state:
        case "running":
            return None
        case "paused":
            return "Redis, Kafka or storage, which does not answer; the log says which"
        case "connecting":
            return "Kafka, or for its turn in the consumer group"
        case _:
            return f"nothing: it is {stats.state}"


def sample_of(stats: RunnerStats, at_s: float) -> Sample:
    """A runner's state as liveness wants it."""
    committed = {(one.topic, one.topic_uuid, one.partition): one.committed for one in stats.partitions}
    return Sample(at_s, stats.lag, committed, waited_for(stats))
