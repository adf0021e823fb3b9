"""The join role: lists and what people did in, outcomes out, and live counts of both.

Each event is joined once, with the list that it names, or else with the newest list of that person which
holds the item. `workers.state.exposures` has the rules. What a list or an event does to a person's state,
and what it adds to the counts, is one atomic step with the fence. An outcome is kept beside the state until
Kafka is known to have it: after a crash it is published again, and readers know it by its
(recommendation_id, event_id).

An event whose list has not been read waits in the state, under a timer. It is decided when a list of its
partition that is newer than the event is read: in a live stream its own answer, some milliseconds later.
Where none comes for ``join.wait_s``, all lists are taken to be read.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import structlog

from streams.codec import encode, withdrawn_id
from streams.dead_letters import dead_letter_outgoing
from streams.driver import SourcePartition
from streams.errors import BadInputError, DependencyDownError
from streams.records import Outgoing, Record
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.exposure_records import HappenedEvents, read_events, read_list
from workers.fenced import FencedRole, Plan, source_name
from workers.join_metrics import JoinMetrics
from workers.outcome_counts import OutcomeCounts, shown_name
from workers.popularity_shares import PopularityShares
from workers.ports import Delivery, Publisher
from workers.state.exposures import (
    TIMER,
    Exposures,
    JoinBounds,
    ShownList,
    Step,
    decode_exposures,
    encode_exposures,
    exposures_key,
)
from workers.state.store import (
    MISSING,
    VERSION_BYTES,
    StateChange,
    StateStore,
    TimerChange,
    Write,
)

STAGE = "join"
SWEEP_S = 0.5
# A wait is looked at again after so long, where no list of that person came before.
FIRST_LOOK_S = 1.0
SWEPT_AT_ONCE = 100
REFRESH_S = 10.0
# More than may be in flight: outcomes of a source that this worker knows nothing of are not kept for ever.
MAX_OWED = 5_000

_log = structlog.get_logger()


@dataclass(slots=True)
class _Person:
    """What a batch holds of one person, in order; None where they are forgotten."""

    entries: list[tuple[Record, bool, ShownList | HappenedEvents | None]] = field(default_factory=list)


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
        clock: Seconds that only grow, for how long no list came.
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
        on_set_back: Callable[[bool], None] = lambda is_lost: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(STAGE, store, publisher, on_set_back=on_set_back)
        self._topics = topics
        self._now = now
        self._clock = clock
        self._metrics = metrics
        join = settings.join
        self._bounds = JoinBounds(round(join.window_hours * 3_600e6), join.lists_per_user)
        self._wait_s = join.wait_s
        # A list counts for one window after it was shown, an event may come one window after it occurred.
        self._keep_s = round(2 * join.window_hours * 3_600) + 3_600
        self._keep_counts_s = join.report_days * 86_400
        self._conversions = frozenset(join.conversions)
        self._actions = frozenset(settings.profile.actions)
        self._popularity = PopularityShares(
            store, settings.recommend.popularity_half_life_days * 86_400.0, lambda: now().timestamp()
        )
        # By partition: up to when its lists have been read, and when the last of them came.
        self._lists_until_ms: dict[int, int] = {}
        self._last_list_s: dict[int, float] = {}
        # By source: the offset before which every outcome is in Kafka.
        self._published_until: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    # The driver's hooks

    async def start(self) -> None:
        """Begin to look after waits, in the background."""
        self._task = asyncio.create_task(self._look_after(), name="join waits")

    async def stop(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def partitions_assigned(self, partitions: Sequence[SourcePartition]) -> None:
        """From here on the waits of these partitions are this worker's."""
        for source in partitions:
            if source.topic == self._topics.recommendations:
                self._last_list_s[source.partition] = self._clock()

    async def partitions_revoked(self, partitions: Sequence[SourcePartition]) -> None:
        """Another worker takes over."""
        for source in partitions:
            if source.topic == self._topics.recommendations:
                self._last_list_s.pop(source.partition, None)

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        """See `FencedRole.process`; afterwards Kafka has every outcome of these records."""
        reached: dict[str, int] = {}
        for delivery in deliveries:
            record = delivery.record
            source = source_name(record.topic_uuid, record.partition)
            # Whoever had the partition before has published what is before the first record read from it.
            self._published_until.setdefault(source, record.offset)
            reached[source] = max(reached.get(source, 0), record.offset + 1)
            if record.topic == self._topics.recommendations:
                self._last_list_s[record.partition] = self._clock()
        await super().process(deliveries)
        for source, offset in reached.items():
            self._published_until[source] = max(self._published_until[source], offset)
        for delivery in deliveries:
            record = delivery.record
            if record.topic == self._topics.recommendations:
                until_ms = max(self._lists_until_ms.get(record.partition, 0), record.timestamp_ms)
                self._lists_until_ms[record.partition] = until_ms

    # Records

    async def plan(self, records: Sequence[Record], is_applied: Sequence[bool]) -> JoinPlan:
        """Apply what is not applied yet; see `FencedRole.plan`."""
        people: dict[str, _Person] = defaultdict(_Person)
        outgoing: list[Outgoing] = []
        refused = 0
        lists_until_ms = dict(self._lists_until_ms)
        for record, applied in zip(records, is_applied, strict=True):
            try:
                user_id, entry = self._read(record)
            except BadInputError as error:
                refused += not applied
                outgoing.append(
                    dead_letter_outgoing(self._topics.dead_letters, record, STAGE, error, self._now())
                )
                continue
            people[user_id].entries.append((record, applied, entry))
            if isinstance(entry, ShownList):
                until_ms = max(lists_until_ms.get(record.partition, 0), record.timestamp_ms)
                lists_until_ms[record.partition] = until_ms
        stored = await self.store.load([exposures_key(user_id) for user_id in people])
        counts = self._new_counts()
        unmatched: dict[str, int] = defaultdict(int)
        writes: list[Write] = []
        timers: list[TimerChange] = []
        for (user_id, person), value in zip(people.items(), stored, strict=True):
            before = decode_exposures(user_id, value)
            step = self._step(before)
            outgoing += self._owed(before, person)
            trigger: Record | None = None
            for record, applied, entry in person.entries:
                if applied:
                    continue
                trigger = record
                self._apply_entry(step, record, entry)
            if trigger is None:
                continue
            step.settle(lists_until_ms.get(trigger.partition, 0))
            encoded = [encode(one.outcome) for one in step.joined]
            if encoded:
                step.owe(source_name(trigger.topic_uuid, trigger.partition), trigger.offset, encoded)
                outgoing += [self._outgoing(user_id, outcome) for outcome in encoded]
            _count(step, counts, unmatched)
            if step.state is not before:
                writes.append(self._write(value, step.state))
                timers += self._timer(before, step.state)
        return JoinPlan(
            writes,
            outgoing,
            tallies=counts.tallies(self._keep_counts_s),
            distinct=counts.distinct(self._keep_counts_s),
            timers=timers,
            counts=counts,
            unmatched=unmatched,
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

    def _read(self, record: Record) -> tuple[str, ShownList | HappenedEvents | None]:
        """Whom a record is about, and what it says; None where they are to be forgotten."""
        if record.topic == self._topics.recommendations:
            return read_list(record)
        if record.value is None:
            return withdrawn_id(record), None
        happened = read_events(record)
        return happened.user_id, happened

    def _apply_entry(self, step: Step, record: Record, entry: ShownList | HappenedEvents | None) -> None:
        if entry is None:
            step.state = Exposures(step.state.user_id, step.state.version, partition=step.state.partition)
        elif isinstance(entry, ShownList):
            step.show(entry)
        else:
            if step.state.partition != record.partition and not step.state.needs_timer:
                step.state = msgspec.structs.replace(step.state, partition=record.partition)
            for event in entry.events:
                step.happen(event, entry.published_us)

    def _owed(self, state: Exposures, person: _Person) -> list[Outgoing]:
        """What was brought about by records that come again: Kafka may not have it."""
        if not state.owed:
            return []
        again = {
            (source_name(record.topic_uuid, record.partition), record.offset)
            for record, applied, _ in person.entries
            if applied
        }
        return [
            self._outgoing(state.user_id, one.outcome)
            for one in state.owed
            if (one.source, one.offset) in again
        ]

    def _write(self, stored: bytes | None, state: Exposures) -> Write:
        """Replaces what is stored, without what Kafka is known to have."""
        owed = tuple(
            one
            for one in state.owed[-MAX_OWED:]
            if one.source == TIMER or one.offset >= self._published_until.get(one.source, 0)
        )
        expected = MISSING if stored is None else stored[:VERSION_BYTES]
        after = msgspec.structs.replace(state, version=state.version + 1, owed=owed)
        is_blank = not (after.lists or after.waiting or after.recent_events or after.recent_lists or owed)
        value = None if is_blank else encode_exposures(after)
        return Write(exposures_key(state.user_id), expected, value, self._keep_s)

    def _timer(self, before: Exposures, after: Exposures) -> list[TimerChange]:
        if after.needs_timer == before.needs_timer:
            return []
        if after.needs_timer:
            due_s = self._now().timestamp() + FIRST_LOOK_S
            return [TimerChange(timers_name(after.partition), after.user_id, due_s)]
        return [TimerChange(timers_name(before.partition), before.user_id, None)]

    # Waits

    async def sweep(self) -> None:
        """Decide the events of this worker's partitions that have waited long enough.

        Raises:
            DependencyDownError: State or Kafka does not answer; what is not published stays due.
        """
        for partition in list(self._last_list_s):
            while due := await self.store.timers_due(
                timers_name(partition), self._now().timestamp(), SWEPT_AT_ONCE
            ):
                # The others wait for the same lists.
                if await self._end_waits(partition, due) < len(due):
                    break

    def _until_ms(self, partition: int) -> int:
        """Lists of the partition that were published before have been read."""
        until_ms = self._lists_until_ms.get(partition, 0)
        if self._clock() - self._last_list_s.get(partition, self._clock()) >= self._wait_s:
            until_ms = max(until_ms, round((self._now().timestamp() - self._wait_s) * 1_000))
        return until_ms

    async def _end_waits(self, partition: int, user_ids: Sequence[str]) -> int:
        """Decide what these people's events belong to; for how many of them nothing is left to do.

        An outcome is in the state, and the timer stays, until it is published: that is a second step.
        """
        values = await self.store.load([exposures_key(user_id) for user_id in user_ids])
        until_ms = self._until_ms(partition)
        counts = self._new_counts()
        unmatched: dict[str, int] = defaultdict(int)
        writes: list[Write] = []
        timers: list[TimerChange] = []
        owing: list[str] = []
        outgoing: list[Outgoing] = []
        for user_id, value in zip(user_ids, values, strict=True):
            before = decode_exposures(user_id, value)
            step = self._step(before)
            step.settle(until_ms)
            step.owe(TIMER, before.version, [encode(one.outcome) for one in step.joined])
            _count(step, counts, unmatched)
            own = [self._outgoing(user_id, one.outcome) for one in step.state.owed if one.source == TIMER]
            if own:
                owing.append(user_id)
                outgoing += own
            elif not step.state.needs_timer:
                timers.append(TimerChange(timers_name(partition), user_id, None))
            if step.state.waiting != before.waiting:
                writes.append(self._write(value, step.state))
        change = StateChange(
            writes=writes,
            tallies=counts.tallies(self._keep_counts_s),
            distinct=counts.distinct(self._keep_counts_s),
            timers=timers,
        )
        if not change.is_empty:
            if not await self.store.commit(self.role, change):
                if len(user_ids) == 1:
                    return 0
                return sum([await self._end_waits(partition, [user_id]) for user_id in user_ids])
            self._metrics.counted(counts.sums, unmatched, 0)
        if not outgoing:
            return len(timers)
        await self._publisher.publish(outgoing)
        return len(timers) + await self._forget_published(partition, owing)

    async def _forget_published(self, partition: int, user_ids: Sequence[str]) -> int:
        """Outcomes of these people's waits are in Kafka; how many of them need no timer any more."""
        finished = 0
        values = await self.store.load([exposures_key(user_id) for user_id in user_ids])
        for user_id, value in zip(user_ids, values, strict=True):
            before = decode_exposures(user_id, value)
            owed = tuple(one for one in before.owed if one.source != TIMER)
            after = msgspec.structs.replace(before, owed=owed)
            timers = []
            if not after.needs_timer:
                timers.append(TimerChange(timers_name(partition), user_id, None))
            # One by one: where a record changed the state meanwhile, they are published once more.
            change = StateChange(writes=[self._write(value, after)], timers=timers)
            finished += await self.store.commit(self.role, change) and bool(timers)
        return finished

    async def _look_after(self) -> None:
        refresh_s = self._clock()
        while True:
            try:
                if self._clock() >= refresh_s:
                    refresh_s = self._clock() + REFRESH_S
                    await self._popularity.refresh()
                    await self._show_coverage()
                await self.sweep()
            except DependencyDownError as error:
                _log.warning("waits are looked after later", error=str(error))
            except Exception:
                _log.exception("defect while looking after waits")
            await asyncio.sleep(SWEEP_S)

    async def _show_coverage(self) -> None:
        today = self._now().astimezone(UTC).date()
        groups = self._metrics.groups_of(today)
        sizes = await self.store.distinct_counts([shown_name(today, group) for group in groups])
        self._metrics.covered(dict(zip(groups, sizes, strict=True)))

    # Parts

    def _step(self, state: Exposures) -> Step:
        return Step(state, self._bounds, self._conversions)

    def _new_counts(self) -> OutcomeCounts:
        return OutcomeCounts(self._actions, self._conversions, self._popularity.novelty_bits)

    def _outgoing(self, user_id: str, outcome: bytes) -> Outgoing:
        return Outgoing(self._topics.outcomes, user_id.encode(), outcome)


def timers_name(partition: int) -> str:
    """The timers of the people in a partition."""
    return f"{STAGE}:{partition}"


def _count(step: Step, counts: OutcomeCounts, unmatched: dict[str, int]) -> None:
    for shown in step.lists:
        counts.add_list(shown)
    for joined in step.joined:
        counts.add_outcome(joined)
    for reason in step.unmatched:
        unmatched[reason] += 1
