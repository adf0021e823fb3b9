"""What a role keeps while one Faust app after the other serves it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

import structlog

from streams.driver.delivery import GapHandler, Processor, SourcePartition, StartPositions
from streams.driver.in_flight import InFlight
from streams.driver.positions import Positions
from streams.kafka_connection import bootstrap_servers
from streams.settings import Settings

log = structlog.get_logger(__name__)


class Link:
    """Joins the Faust app to the records in flight, their positions, and the processor's hooks."""

    def __init__(
        self,
        settings: Settings,
        role: str,
        processor: Processor,
        start_positions: StartPositions | None,
        on_gap: GapHandler | None,
    ) -> None:
        worker = settings.worker
        self.settings = settings
        self.bootstrap_servers = bootstrap_servers(settings.kafka)
        self.loop = asyncio.get_running_loop()
        self.in_flight = InFlight(worker.max_in_flight_records, worker.max_in_flight_bytes)
        self.positions = Positions(
            self.in_flight, start_positions, on_gap, self._partitions_assigned, self._partitions_revoked
        )
        self.commit_failing_since_s: float | None = None
        self.problem: str | None = None
        self.waits_for_work = True
        self._role = role
        self._processor = processor
        # Longer, and the group would go on without this worker.
        self._give_up_s = min(worker.shutdown_timeout_s, settings.kafka.max_poll_interval_s / 2, 25.0)
        self._giving_up = asyncio.Lock()

    async def give_up(self, commit: Callable[[], Awaitable[None]]) -> None:
        """The partitions go: let what was handed out be finished, commit, and drop the rest.

        Not where ``waits_for_work`` is False.
        """
        async with self._giving_up:
            self.positions.revoke()
            assignments = self.in_flight.assignments
            if not assignments:
                return
            self.in_flight.halt(assignments)
            try:
                async with asyncio.timeout(self._give_up_s):
                    await self._partitions_revoked([assignment.source for assignment in assignments])
                    if self.waits_for_work:
                        await self.in_flight.all_back(assignments)
            except TimeoutError:
                log.warning(
                    "unfinished records are left to whoever gets their partitions",
                    role=self._role,
                    records=sum(assignment.handed_out for assignment in assignments),
                    waited_s=self._give_up_s,
                )
            try:
                await commit()
            finally:
                self.in_flight.close(assignments)

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call something on the role's event loop, from any thread."""
        self.loop.call_soon_threadsafe(callback)

    def trouble(self, problem: str | None) -> None:
        """Take note of, and log once, what keeps the role from reading; None where nothing does."""
        if problem is not None and problem != self.problem:
            log.error("records cannot be read: tried again", role=self._role, because=problem)
        self.problem = problem

    def committed(self, success: bool) -> None:
        """Take note of a commit's outcome."""
        if success:
            self.commit_failing_since_s = None
        elif self.commit_failing_since_s is None:
            self.commit_failing_since_s = monotonic()

    async def _partitions_assigned(self, partitions: Sequence[SourcePartition]) -> None:
        await self._hook("partitions_assigned", partitions)

    async def _partitions_revoked(self, partitions: Sequence[SourcePartition]) -> None:
        await self._hook("partitions_revoked", partitions)

    async def _hook(self, name: str, partitions: Sequence[SourcePartition]) -> None:
        hook = getattr(self._processor, name, None)
        if hook is None:
            return
        try:
            await hook(partitions)
        except Exception:
            log.exception("defect: a hook of the processor failed", role=self._role, hook=name)
