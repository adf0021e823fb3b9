"""From which offset each partition starts, also where its topic is deleted and created again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

import structlog
from aiokafka.errors import KafkaError

from streams.driver.delivery import GapHandler, SourcePartition, StartPositions
from streams.driver.in_flight import Assignment, InFlight
from streams.errors import DependencyDownError

CHECK_INTERVAL_S = 0.5
CALL_TIMEOUT_S = 30.0

log = structlog.get_logger(__name__)

TopicPartition = tuple[str, int]


class PartitionState(NamedTuple):
    """What Kafka says of a partition. ``committed`` is of this life of the topic."""

    source: SourcePartition
    log_start: int
    log_end: int
    committed: int | None


class GroupMember(Protocol):
    """The consumer in the group, as positioning needs it."""

    async def topic_ids(self, topics: Collection[str]) -> Mapping[str, str]:
        """Topic to id, without those that do not exist."""

    async def states(self, sources: Collection[SourcePartition]) -> Sequence[PartitionState]:
        """The state of each partition that is still assigned."""

    async def log_ends(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offset after the last record of each."""

    async def start_at(self, generation: int, positions: Mapping[Assignment, int]) -> bool:
        """Fetch from these offsets from now on; False where the group has moved on since ``generation``."""


class Positions:
    """Keeps an open `Assignment` for each partition that the group has given to this worker.

    Looks at the topics' ids twice a second: a topic with another id is another topic, so what is in flight of
    the old one is dropped, and its partitions start anew.
    """

    def __init__(
        self,
        in_flight: InFlight,
        start_positions: StartPositions | None,
        on_gap: GapHandler | None,
        on_assigned: Callable[[Sequence[SourcePartition]], Awaitable[None]],
        on_revoked: Callable[[Sequence[SourcePartition]], Awaitable[None]],
    ) -> None:
        self._in_flight = in_flight
        self._start_positions = start_positions
        self._on_gap = on_gap
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._member: GroupMember | None = None
        self._partitions: frozenset[TopicPartition] = frozenset()
        self._generation = 0
        self._kick = asyncio.Event()

    @property
    def partitions(self) -> frozenset[TopicPartition]:
        """What the group has given to this worker."""
        return self._partitions

    def assign(self, member: GroupMember, partitions: Collection[TopicPartition], generation: int) -> None:
        """The group has given these; they are opened as soon as their start is known."""
        self._member = member
        self._partitions = frozenset(partitions)
        self._generation = generation
        self._kick.set()

    def revoke(self) -> None:
        """The group takes everything back; the caller closes the open assignments."""
        self._partitions = frozenset()
        self._kick.set()

    def check_soon(self) -> None:
        """Something is odd: look at the topics' ids now."""
        self._kick.set()

    async def reset(self, assignments: Collection[Assignment]) -> None:
        """Drop what is in flight of these, and start them anew."""
        open_ones = [assignment for assignment in assignments if assignment.is_open]
        self._in_flight.close(open_ones)
        if open_ones:
            await self._on_revoked([assignment.source for assignment in open_ones])
        self._kick.set()

    async def run(self) -> None:
        """Open, and open anew, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_INTERVAL_S):
                    await self._kick.wait()
            self._kick.clear()
            if not self._partitions or self._member is None:
                continue
            try:
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    await self._reconcile(self._member, self._generation)
            except (KafkaError, TimeoutError, DependencyDownError) as error:
                log.warning("start positions are not known yet", because=str(error) or type(error).__name__)
                await asyncio.sleep(CHECK_INTERVAL_S)

    async def _reconcile(self, member: GroupMember, generation: int) -> None:
        ids = await member.topic_ids({topic for topic, _ in self._partitions})
        if generation != self._generation or not self._partitions:
            return
        stale = [a for a in self._in_flight.assignments if ids.get(a.source.topic) != a.source.topic_uuid]
        if stale:
            for topic in sorted({assignment.source.topic for assignment in stale}):
                log.warning(
                    "the topic was deleted: what was in flight is dropped", topic=topic, now=ids.get(topic)
                )
            await self.reset(stale)
        missing = [
            SourcePartition(topic, ids[topic], partition)
            for topic, partition in sorted(self._partitions)
            if topic in ids and self._in_flight.find(topic, partition) is None
        ]
        if missing:
            await self._open(member, generation, missing)
        ends = await member.log_ends(
            [(a.source.topic, a.source.partition) for a in self._in_flight.assignments]
        )
        for assignment in self._in_flight.assignments:
            end = ends.get((assignment.source.topic, assignment.source.partition))
            if end is not None:
                assignment.log_end = max(assignment.tracker.next_position, end)

    async def _open(self, member: GroupMember, generation: int, sources: Sequence[SourcePartition]) -> None:
        states = await member.states(sources)
        wanted: Mapping[SourcePartition, int] = {}
        if self._start_positions is not None and states:
            committed = {state.source: state.committed for state in states}
            wanted = await self._start_positions.positions([state.source for state in states], committed)
        starts = {
            Assignment(state.source, position, state.log_end): position
            for state in states
            for position in [self._start(state, wanted.get(state.source, state.committed))]
        }
        if generation != self._generation or not self._partitions:
            return
        for assignment in starts:
            self._in_flight.open(assignment)
        if not await member.start_at(generation, starts):
            self._in_flight.close(starts)
            return
        await self._on_assigned([assignment.source for assignment in starts])
        for assignment, position in starts.items():
            log.info("reading", **assignment.source._asdict(), position=position, log_end=assignment.log_end)

    def _start(self, state: PartitionState, wanted: int | None) -> int:
        if wanted is None or state.log_start <= wanted <= state.log_end:
            return state.log_start if wanted is None else wanted
        log.error(
            "records are gone from Kafka: reading starts at the log's first record",
            **state.source._asdict(),
            wanted=wanted,
            log_start=state.log_start,
            log_end=state.log_end,
        )
        if self._on_gap is not None:
            self._on_gap(state.source, wanted, state.log_start)
        return state.log_start
