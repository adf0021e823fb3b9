"""Roles whose effects are applied once: the fence.

A source position is (topic UUID, partition, offset). State records, per source partition, up to where
it has been applied, and that record moves in the same atomic step as the effects. So

- a crash before the step: nothing has happened, the batch comes again;
- a crash after it, before Kafka has the output: the batch comes again, is seen to be applied, and only
  its output is published again;
- two workers with the same partition: one step wins, the other sees that the fence has moved;
- state restored from an older snapshot, or lost: its fence is older too, and the role starts from there.
  Where that happens while the role runs, it notices that a fence is behind what it has read before, and
  asks to be started anew.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import structlog

from streams.driver import Finish, SourcePartition
from streams.errors import DependencyDownError
from streams.records import Outgoing, Record
from workers.erased_people import ErasedPeople
from workers.ports import Delivery, Publisher
from workers.state.store import (
    CounterIncrement,
    DistinctAddition,
    ErasureMark,
    FenceMove,
    StateChange,
    StateStore,
    TallyIncrement,
    TimerChange,
    Write,
)

MAX_CONFLICTS = 5

_log = structlog.get_logger()


@lru_cache(10_000)
def source_name(topic_uuid: str, partition: int) -> str:
    """The name of a source partition's life in the fence record."""
    return f"{topic_uuid}:{partition}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a batch would do: the state to write, what to count, timers to set, and the output."""

    writes: Sequence[Write]
    outgoing: Sequence[Outgoing]
    increments: Sequence[CounterIncrement] = ()
    tallies: Sequence[TallyIncrement] = ()
    distinct: Sequence[DistinctAddition] = ()
    timers: Sequence[TimerChange] = ()
    marks: Sequence[ErasureMark] = ()
    deletes: Sequence[str] = ()


class FencedRole(ABC):
    """Applies batches once each.

    Args:
        role: Names the fence; a role that starts over (another vector space) takes another name.
        counter_half_life_s: Of the item counters.
        on_set_back: Called where state is older than this worker has seen it: the role must start anew,
            from the older fence.
        erased: Who was forgotten, for a role that keeps state of people: nothing is changed by a plan that
            did not know of the latest erasure.
    """

    def __init__(
        self,
        role: str,
        store: StateStore,
        publisher: Publisher,
        *,
        counter_half_life_s: float = 604_800.0,
        on_set_back: Callable[[], None] = lambda: None,
        erased: ErasedPeople | None = None,
    ) -> None:
        self.role = role
        self.store = store
        self._publisher = publisher
        self._counter_half_life_s = counter_half_life_s
        self._on_set_back = on_set_back
        self._erased = erased
        self._known_fences: dict[str, int] = {}

    async def start(self) -> None:
        """Roles of this kind hold nothing open."""
        return

    async def stop(self) -> None:
        """Roles of this kind hold nothing open."""
        return

    @abstractmethod
    async def plan(self, records: Sequence[Record], is_applied: Sequence[bool]) -> Plan:
        """What ``records`` do to the state as it is now. Called again where another worker was faster.

        ``is_applied`` says of each whether its effect is already in the state: then only its output
        is wanted.
        """

    def committed(self, plan: Plan) -> None:
        """Called once for each plan that took effect; for metrics."""
        return

    async def published(self, plan: Plan) -> None:
        """Called when the plan's output is in Kafka, before its records are done."""
        return

    def conflicted(self) -> None:
        """Called where another worker changed the same state, and the batch is planned again."""
        return

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        """Apply a batch, publish its output, and give the deliveries back.

        Raises:
            DependencyDownError: State or Kafka does not answer, or other workers keep interfering;
                nothing is given back, so the batch comes again.
        """
        finish = await self._begun(deliveries)
        await finish()

    async def _begun(self, deliveries: Sequence[Delivery]) -> Finish:
        """Apply a batch; what is left is to publish its output, and to give the deliveries back.

        For a role to be an `OverlappingProcessor` with. Outputs of one key stay in order, as one batch's are
        published after those before it have arrived. Where they do not, its records come again: its effects
        are there, and its outputs tell of the state as it is then.
        """
        plan = await self._apply([delivery.record for delivery in deliveries])

        async def finish() -> None:
            if plan.outgoing:
                await self._publisher.publish(plan.outgoing)
            await self.published(plan)
            for delivery in deliveries:
                delivery.done()

        return finish

    def note_fences(self, fences: Mapping[str, int | None]) -> None:
        """Take note of fences as they stand where reading starts: one that is lower later is noticed."""
        for source, fence in fences.items():
            if fence is not None:
                self._known_fences[source] = max(self._known_fences.get(source, 0), fence)

    async def _apply(self, records: Sequence[Record]) -> Plan:
        sources = [source_name(record.topic_uuid, record.partition) for record in records]
        reached: dict[str, int] = {}
        for source, record in zip(sources, records, strict=True):
            reached[source] = max(reached.get(source, 0), record.offset + 1)
        if self._erased is not None and self._erased.version is None:
            await self._erased.refresh(self.store)
        for attempt in range(MAX_CONFLICTS):
            # Where this worker was the last to move them, it need not ask: the step that applies the plan is
            # refused where they have moved, and only then.
            fences = self._remembered_fences(reached) if attempt == 0 else None
            if fences is None:
                fences = dict(zip(reached, await self.store.fences(self.role, list(reached)), strict=True))
                self._check_not_set_back(fences)
            is_applied = [
                record.offset < (fences[source] or 0) for source, record in zip(sources, records, strict=True)
            ]
            marks_version = None if self._erased is None else self._erased.version
            plan = await self.plan(records, is_applied)
            change = StateChange(
                fences=[
                    FenceMove(source, fences[source], next_offset)
                    for source, next_offset in reached.items()
                    if next_offset > (fences[source] or 0)
                ],
                writes=plan.writes,
                increments=plan.increments,
                counter_half_life_s=self._counter_half_life_s,
                tallies=plan.tallies,
                distinct=plan.distinct,
                timers=plan.timers,
                marks_version=marks_version,
                marks=plan.marks,
                deletes=plan.deletes,
            )
            if change.is_empty:
                return plan
            if await self.store.commit(self.role, change):
                self._known_fences.update({move.source: move.next_offset for move in change.fences})
                self.committed(plan)
                return plan
            self.conflicted()
            if self._erased is not None:
                await self._erased.refresh(self.store)
        raise DependencyDownError(f"other workers keep changing the state that {self.role} works on")

    def _remembered_fences(self, reached: Mapping[str, int]) -> dict[str, int | None] | None:
        """The fences as this worker left them; None where they have to be read.

        So they have where one isn't known, and where a batch does not move one: nothing would check it then.
        """
        known = {source: self._known_fences.get(source, 0) for source in reached}
        if not all(known.values()) or not all(reached[source] > fence for source, fence in known.items()):
            return None
        return dict(known)

    def _check_not_set_back(self, fences: Mapping[str, int | None]) -> None:
        """Raises DependencyDownError where a fence is behind what this worker has seen of it."""
        for source, fence in fences.items():
            known = self._known_fences.get(source)
            if known is not None and (fence is None or fence < known):
                _log.error("state was set back", role=self.role, source=source, fence=fence, known=known)
                self._on_set_back()
                raise DependencyDownError(
                    f"the state of {self.role} was set back from {known} to {fence}: starting anew"
                )
            if fence is not None:
                self._known_fences[source] = fence


class FenceStartPositions:
    """Where a fenced role starts: from the fence, and not after what was acknowledged.

    The group's committed offset follows the acknowledged output, the fence the stored effect. The
    smaller of the two is where something may still be owed.

    Args:
        on_fences: Told of every fence read, by source name.
    """

    def __init__(
        self,
        role: str,
        store: StateStore,
        on_fences: Callable[[Mapping[str, int | None]], None] = lambda fences: None,
    ) -> None:
        self._role = role
        self._store = store
        self._on_fences = on_fences

    async def positions(
        self, partitions: Sequence[SourcePartition], committed: Mapping[SourcePartition, int | None]
    ) -> dict[SourcePartition, int]:
        """The offset to start from; a partition that nobody has ever read is left out.

        Without a fence nothing is applied, without a committed offset nothing is acknowledged: either
        way everything may be owed, and reading starts at the beginning.
        """
        names = [source_name(source.topic_uuid, source.partition) for source in partitions]
        fences = await self._store.fences(self._role, names)
        self._on_fences(dict(zip(names, fences, strict=True)))
        starts: dict[SourcePartition, int] = {}
        for source, fence in zip(partitions, fences, strict=True):
            acknowledged = committed.get(source)
            if fence is not None or acknowledged is not None:
                starts[source] = min(fence or 0, acknowledged or 0)
        return starts
