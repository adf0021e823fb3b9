"""The join role: lists and what people did in, outcomes out, and live counts of both.

Each event is joined once, with the list that it names, or else with the newest list of that person which
holds the item. `workers.state.exposures` has the rules. What a list or an event does to a person's state,
and what it adds to the counts, is one atomic step with the fence. An outcome is kept beside the state until
Kafka is known to have it: after a crash it is published again, and readers know it by its
(recommendation_id, event_id).

An event whose list has not been read waits in the state, under a timer. It is decided when a list of its
partition that is newer than the event is read: in a live stream its own answer, some milliseconds later.
Where none comes for ``join.wait_s``, all lists are taken to be read (`workers.join_waits`).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from streams.codec import withdrawn_id
from streams.dead_letters import dead_letter_outgoing
from streams.driver import SourcePartition
from streams.errors import BadInputError
from streams.records import Outgoing, Record
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.decided_outcomes import DecidedOutcomes, Published
from workers.erased_people import ErasedPeople, since_of
from workers.exposure_records import HappenedEvents, read_events, read_list
from workers.fenced import FencedRole, Plan, source_name
from workers.join_metrics import JoinMetrics
from workers.join_steps import STAGE, Changes, JoinSteps
from workers.join_waits import JoinWaits
from workers.outcome_counts import OutcomeCounts
from workers.popularity_shares import PopularityShares
from workers.ports import Delivery, Publisher
from workers.state.exposures import Exposures, ShownList, Step, decode_exposures, exposures_key
from workers.state.store import StateStore

# What a record says of a person; None where they are to be forgotten.
Entry = ShownList | HappenedEvents | None


@dataclass(frozen=True, slots=True)
class _Read:
    """A record, whether its effect is in the state, and what it says."""

    record: Record
    is_applied: bool
    entry: Entry


@dataclass(frozen=True, slots=True)
class JoinPlan(Plan):
    """A plan with what the metrics want to know."""

    counts: OutcomeCounts | None = None
    unmatched: Mapping[str, int] = field(default_factory=dict)
    refused: int = 0


class OutcomeJoiner(FencedRole):
    """Joins lists and events.

    Args:
        now: The wall clock.
        clock: Seconds that only grow.
        published: Reads outcomes back; see `DecidedOutcomes`.
    """

    def __init__(
        self,
        *,
        store: StateStore,
        publisher: Publisher,
        topics: TopicNames,
        settings: Settings,
        now: Callable[[], datetime],
        metrics: JoinMetrics,
        on_set_back: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        erased: ErasedPeople | None = None,
        published: Published = lambda since_ms: (),
    ) -> None:
        self._people = erased or ErasedPeople(settings.privacy)
        super().__init__(STAGE, store, publisher, on_set_back=on_set_back, erased=self._people)
        self._topics = topics
        self._now = now
        self._metrics = metrics
        half_life_s = settings.recommend.popularity_half_life_days * 86_400.0
        self.popularity = PopularityShares(store, half_life_s, lambda: now().timestamp())
        self._decided = DecidedOutcomes(published, frozenset(settings.join.conversions))
        self._steps = JoinSteps(
            settings, topics.outcomes, self.popularity, now, self._decided, lambda: self.waits.behind_ms()
        )
        self.waits = JoinWaits(
            store,
            publisher,
            self._steps,
            self.popularity,
            metrics,
            wait_s=settings.join.wait_s,
            now=now,
            clock=clock,
            is_reading=lambda: self._decided.is_reading,
        )

    # The driver's hooks

    async def start(self) -> None:
        """Begin to look after waits, in the background."""
        await self.waits.start()

    async def stop(self) -> None:
        """Stop."""
        await self.waits.stop()

    async def partitions_assigned(self, partitions: Sequence[SourcePartition]) -> None:
        """From here on the waits of these partitions are this worker's."""
        for source in partitions:
            if source.topic == self._topics.recommendations:
                self.waits.take(source.partition)

    async def partitions_revoked(self, partitions: Sequence[SourcePartition]) -> None:
        """Another worker takes over."""
        for source in partitions:
            if source.topic == self._topics.recommendations:
                self.waits.leave(source.partition)

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        """See `FencedRole.process`; afterwards Kafka has every outcome of these records."""
        records = [delivery.record for delivery in deliveries]
        events_ms = [record.timestamp_ms for record in records if record.topic == self._topics.profiles]
        if events_ms:
            await self._decided.cover(min(events_ms))
        for record in records:
            self._steps.read_from(source_name(record.topic_uuid, record.partition), record.offset)
            if record.topic == self._topics.recommendations:
                self.waits.list_came(record.partition)
        await super().process(deliveries)
        for record in records:
            self._steps.published(source_name(record.topic_uuid, record.partition), record.offset + 1)
            if record.topic == self._topics.recommendations:
                self.waits.lists_applied(record.partition, record.timestamp_ms)

    # Records

    async def plan(self, records: Sequence[Record], is_applied: Sequence[bool]) -> JoinPlan:
        """Apply what is not applied yet; see `FencedRole.plan`."""
        people: dict[str, list[_Read]] = defaultdict(list)
        letters: list[Outgoing] = []
        refused = 0
        lists_until_ms: dict[int, int] = defaultdict(int)
        for record, applied in zip(records, is_applied, strict=True):
            try:
                user_id, since_ms, entry = self._read(record)
            except BadInputError as error:
                refused += not applied
                letters.append(
                    dead_letter_outgoing(self._topics.dead_letters, record, STAGE, error, self._now())
                )
                continue
            if isinstance(entry, ShownList):
                until_ms = max(lists_until_ms[record.partition], record.timestamp_ms)
                lists_until_ms[record.partition] = until_ms
            # What is from before the person's erasure may come after it, too: it is made of what was removed.
            if not self._people.is_void(user_id, since_ms):
                people[user_id].append(_Read(record, applied, entry))
        changes = self._steps.changes()
        stored = await self.store.load([exposures_key(user_id) for user_id in people])
        for (user_id, reads), value in zip(people.items(), stored, strict=True):
            self._change(user_id, value, reads, lists_until_ms, changes)
        return JoinPlan(
            changes.writes,
            [*letters, *changes.outgoing],
            tallies=self._steps.tallies(changes),
            distinct=self._steps.distinct(changes),
            timers=changes.timers,
            counts=changes.counts,
            unmatched=changes.unmatched,
            refused=refused,
        )

    def committed(self, plan: Plan) -> None:
        """Count what took effect."""
        if isinstance(plan, JoinPlan) and plan.counts is not None:
            self._metrics.counted(plan.counts.sums, plan.unmatched, plan.refused)
            self._metrics.groups_seen(plan.counts.shown)

    def conflicted(self) -> None:
        """Count the batch that is planned again."""
        self._metrics.conflict()

    def _read(self, record: Record) -> tuple[str, int, Entry]:
        """Whom a record is about, since when what it says of them is, and what it says."""
        if record.topic == self._topics.recommendations:
            user_id, shown = read_list(record)
            return user_id, since_of(record), shown
        if record.value is None:
            return withdrawn_id(record), since_of(record), None
        happened = read_events(record)
        return happened.user_id, happened.since_ms, happened

    def _change(
        self,
        user_id: str,
        stored: bytes | None,
        reads: Sequence[_Read],
        lists_until_ms: Mapping[int, int],
        changes: Changes,
    ) -> None:
        """What the records of one person do."""
        before = decode_exposures(user_id, stored)
        at_ms = self._people.at_ms(user_id)
        if before.since_ms < at_ms:
            before = Exposures(user_id, before.version, partition=before.partition, since_ms=at_ms)
        # What came of records that are delivered again: Kafka may not have it.
        wanted = {_position(read.record) for read in reads if read.is_applied}
        step = self._steps.step(before)
        fresh = [read for read in reads if not read.is_applied]
        for read in fresh:
            if read.entry is None and since_of(read.record) == before.since_ms > 0:
                continue  # the tombstone of the erasure after which this state began
            _apply(step, read.record.partition, read.entry)
        if fresh:
            last = fresh[-1].record
            step.settle(max(self.waits.lists_until_ms(last.partition), lists_until_ms.get(last.partition, 0)))
            self._steps.owe(step, *_position(last))
            wanted.add(_position(last))
        changes.outgoing += self._steps.outgoing(step.state, lambda *position: position in wanted)
        changes.count(step)
        if step.state is not before:
            changes.writes.append(self._steps.write(stored, step.state))
            changes.timers += self._steps.timer(before, step.state)


def _position(record: Record) -> tuple[str, int]:
    return source_name(record.topic_uuid, record.partition), record.offset


def _apply(step: Step, partition: int, entry: Entry) -> None:
    state = step.state
    if entry is None:
        step.state = Exposures(
            state.user_id, state.version, partition=state.partition, since_ms=state.since_ms
        )
    elif isinstance(entry, ShownList):
        step.show(entry)
    else:
        if state.partition != partition and not state.needs_timer:
            step.state = msgspec.structs.replace(state, partition=partition)
        for event in entry.events:
            step.happen(event, entry.published_us)
