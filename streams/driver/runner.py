"""Runs one role: its processor, and one Faust app after the other until asked to stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Literal

import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from streams.driver.delivery import GapHandler, PoisonHandler, Processor, StartPositions
from streams.driver.faust_app import RoleApp
from streams.driver.link import Link
from streams.driver.member import REBALANCE_TIMEOUT_S, ConsumerBrokenError
from streams.driver.work import LONGEST_PAUSE_S, WorkLoop
from streams.errors import DefectError
from streams.kafka_connection import aiokafka_arguments
from streams.settings import Settings

TICK_S = 0.5
FAUST_STOP_TIMEOUT_S = 30.0

log = structlog.get_logger(__name__)

RunnerState = Literal["created", "connecting", "running", "paused", "stopping", "stopped"]


@dataclass(frozen=True)
class PartitionStats:
    """How far one partition is. All are offsets; ``lag`` counts those that are not done."""

    topic: str
    topic_uuid: str
    partition: int
    position: int
    done: int
    committed: int
    log_end: int
    lag: int


@dataclass(frozen=True)
class RunnerStats:
    """A runner's state, for metrics and health. Times are of `time.monotonic`.

    ``last_progress_s`` is the last time that a record was done, or that there was nothing to do.
    ``restarts`` counts the Faust apps that were replaced. ``problem`` says what keeps the role from reading.
    """

    role: str
    state: RunnerState
    partitions: tuple[PartitionStats, ...]
    lag: int
    in_flight_records: int
    in_flight_bytes: int
    paused_since_s: float | None
    last_progress_s: float
    commit_failing_since_s: float | None
    restarts: int
    problem: str | None

    def stalled_for_s(self, now_s: float | None = None) -> float:
        """Seconds for which there was lag and no progress; 0 while paused, as a restart would not help."""
        if self.paused_since_s is not None or self.lag == 0:
            return 0.0
        return max(0.0, (monotonic() if now_s is None else now_s) - self.last_progress_s)


class RoleRunner:
    """One role in this process.

    Args:
        settings: Budget, batch size and time-outs are in ``worker``, the broker's in ``kafka``.
        role: The consumer group is the topics' prefix and this.
        topics: Full names.
        on_poison: Publishes the dead letter of a record on which the processor fails.
        start_positions: Where a partition starts; without, at the committed offset, else at the log's start.
        on_gap: Told where records are gone from Kafka before they were read; it is logged in any case.

    Signals are the caller's: `stop` asks `run` to end. Kafka being away, at start or later, ends nothing.
    """

    def __init__(
        self,
        settings: Settings,
        role: str,
        topics: Sequence[str],
        processor: Processor,
        *,
        on_poison: PoisonHandler,
        start_positions: StartPositions | None = None,
        on_gap: GapHandler | None = None,
    ) -> None:
        self._settings = settings
        self._role = role
        self._group = settings.topics.prefix + role
        self._topics = tuple(topics)
        self._processor = processor
        self._on_poison = on_poison
        self._start_positions = start_positions
        self._on_gap = on_gap
        self._stop_asked = asyncio.Event()
        self._link: Link | None = None
        self._work: WorkLoop | None = None
        self._state: RunnerState = "created"
        self._restarts = 0

    def stop(self, *, at_once: bool = False) -> None:
        """Ask `run` to finish what was handed out, commit, leave the group and return.

        ``at_once``: what was handed out is not waited for, and comes again.
        """
        if at_once and self._link is not None:
            self._link.waits_for_work = False
        self._stop_asked.set()

    async def run(self) -> None:
        """Run until `stop`.

        Raises:
            ConfigurationError: The settings cannot work.
            DefectError: A Faust app cannot be stopped: the process has to be started anew.
            Exception: What ``processor.start`` raises.
        """
        link = self._link = Link(
            self._settings, self._role, self._processor, self._start_positions, self._on_gap
        )
        work = self._work = WorkLoop(
            self._role, link.in_flight, self._processor, self._on_poison, self._settings.worker.batch_records
        )
        aiokafka_arguments(self._settings.kafka)
        await self._processor.start()
        tasks = [asyncio.create_task(work.run()), asyncio.create_task(link.positions.run())]
        try:
            while not self._stop_asked.is_set():
                await self._serve(link, tasks)
        finally:
            self._state = "stopping"
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._processor.stop()
            self._state = "stopped"

    def stats(self) -> RunnerStats:
        """The state now."""
        in_flight = self._link.in_flight if self._link else None
        paused_since_s = self._work.paused_since_s if self._work else None
        is_paused = paused_since_s is not None and self._state in ("connecting", "running")
        partitions = tuple(
            PartitionStats(
                *assignment.source,
                position=assignment.tracker.next_position,
                done=assignment.tracker.committable,
                committed=assignment.committed,
                log_end=assignment.log_end,
                lag=assignment.lag,
            )
            for assignment in sorted(in_flight.assignments if in_flight else (), key=lambda a: a.source)
        )
        return RunnerStats(
            role=self._role,
            state="paused" if is_paused else self._state,
            partitions=partitions,
            lag=sum(partition.lag for partition in partitions),
            in_flight_records=in_flight.records if in_flight else 0,
            in_flight_bytes=in_flight.size_bytes if in_flight else 0,
            paused_since_s=paused_since_s,
            last_progress_s=in_flight.last_progress_s if in_flight else monotonic(),
            commit_failing_since_s=self._link.commit_failing_since_s if self._link else None,
            restarts=self._restarts,
            problem=self._link.problem if self._link else None,
        )

    async def _serve(self, link: Link, tasks: Sequence[asyncio.Task[None]]) -> None:
        """One Faust app, from the moment that Kafka answers until it must be replaced or `stop`."""
        self._state = "connecting"
        if not await self._kafka_answers(link):
            return
        app = RoleApp(link, self._group, self._topics)
        starting = asyncio.create_task(app.start())
        try:
            reason = await self._watch(link, app, starting, tasks)
        finally:
            await self._stop_app(link, app, starting)
        if reason is not None:
            self._restarts += 1
            log.error("the consumer is started anew", role=self._role, because=reason)
            await self._sleep(min(LONGEST_PAUSE_S, 0.5 * self._restarts))

    async def _kafka_answers(self, link: Link) -> bool:
        """Wait until Kafka answers; False where `stop` came first."""
        pause_s = 0.1
        while not self._stop_asked.is_set():
            client = AIOKafkaClient(**aiokafka_arguments(self._settings.kafka), client_id=self._group)
            try:
                await client.bootstrap()
                return True
            except (KafkaError, OSError) as error:
                servers = self._settings.kafka.bootstrap_servers
                link.trouble(f"Kafka at {servers} does not answer: {error!r}")
            finally:
                await client.close()
            await self._sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
        return False

    async def _watch(
        self, link: Link, app: RoleApp, starting: asyncio.Task[None], tasks: Sequence[asyncio.Task[None]]
    ) -> str | None:
        """Tick until `stop` (None) or until the app is of no more use (the reason)."""
        stall_timeout_s = self._settings.worker.stall_timeout_s
        last_member_s = monotonic()
        while not self._stop_asked.is_set():
            await self._sleep(TICK_S)
            for task in tasks:
                if task.done():
                    task.result()
                    raise DefectError("a task of the driver has ended")
            if app.crashed:
                return f"it has crashed: {app.crash_reason!r}"
            if starting.done() and starting.exception() is not None:
                return f"it could not start: {starting.exception()!r}"
            now_s = monotonic()
            try:
                if await app.is_member():
                    last_member_s = now_s
                    self._state = "running"
            except ConsumerBrokenError as error:
                return str(error)
            if now_s - last_member_s > max(2 * REBALANCE_TIMEOUT_S, stall_timeout_s):
                return f"it has not been in its group for {now_s - last_member_s:.0f} s"
            if (
                link.commit_failing_since_s is not None
                and now_s - link.commit_failing_since_s > stall_timeout_s
            ):
                return f"commits have failed for {now_s - link.commit_failing_since_s:.0f} s"
            stats = self.stats()
            if stats.lag == 0:
                link.in_flight.last_progress_s = now_s
            if stats.in_flight_records == 0 and stats.stalled_for_s(now_s) > stall_timeout_s:
                link.in_flight.last_progress_s = now_s
                return f"it has fetched nothing for {stall_timeout_s:.0f} s, with {stats.lag} records to read"
        return None

    async def _stop_app(self, link: Link, app: RoleApp, starting: asyncio.Task[None]) -> None:
        try:
            await asyncio.wait_for(
                app.stop(), FAUST_STOP_TIMEOUT_S + self._settings.worker.shutdown_timeout_s
            )
        except TimeoutError as error:
            raise DefectError(
                f"the consumer of {self._role} cannot be stopped: start the process anew"
            ) from error
        except Exception:
            # It is of no more use in any case; what it has not committed is done again.
            log.exception("the consumer did not stop in order", role=self._role)
        finally:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            link.positions.revoke()
            link.in_flight.close(link.in_flight.assignments)
            link.commit_failing_since_s = None

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop_asked.wait()
