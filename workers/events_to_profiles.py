"""The profile role: events in, changed profiles out. The validating reader of `events`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from models.profile import (
    Effect,
    Profile,
    ProfileEvent,
    SourcePosition,
    apply_events,
    encode_profile,
)
from streams.codec import decode_record, encode
from streams.dead_letters import dead_letter_outgoing
from streams.driver import Finish
from streams.errors import BadInputError
from streams.internal_messages import AppliedEvent, EventCause, ProfileChanged
from streams.messages import Event
from streams.records import Outgoing, Record
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.current_profiles import QUICK_S, current_profiles, publish_current
from workers.erased_people import ErasedPeople
from workers.event_times import counted_time
from workers.fenced import FencedRole, Plan
from workers.model_settings import transition_settings
from workers.ports import Delivery, Publisher
from workers.role_metrics import ProfileMetrics
from workers.state.profile import profile_key, stored_profile, stored_version
from workers.state.store import (
    MISSING,
    VERSION_BYTES,
    CounterIncrement,
    StateStore,
    Write,
    pack_version,
)

STAGE = "profile"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Read:
    """A valid event, with its time as it counts."""

    record: Record
    event: Event
    occurred_at: datetime
    published_at: datetime
    is_applied: bool


@dataclass(frozen=True, slots=True)
class ProfilePlan(Plan):
    """A plan with what the metrics want to know, and what it publishes of whom."""

    effects: Sequence[Effect] = ()
    refused: Sequence[BadInputError] = ()
    clamped: int = 0
    dropped: int = 0
    people: Mapping[str, Profile] = field(default_factory=dict)
    planned_s: float = 0.0


class ProfileUpdater(FencedRole):
    """Applies events to profiles, each once, and publishes each profile that changed.

    Several events of a person in one batch make one output. Its cause is the one that occurred last.

    Events from before a person's erasure are dropped, also where they are read again.
    """

    def __init__(
        self,
        *,
        store: StateStore,
        publisher: Publisher,
        topics: TopicNames,
        settings: Settings,
        now: Callable[[], datetime],
        metrics: ProfileMetrics,
        on_set_back: Callable[[], None] = lambda: None,
        erased: ErasedPeople | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._people = erased or ErasedPeople(settings.privacy)
        super().__init__(
            STAGE,
            store,
            publisher,
            counter_half_life_s=settings.recommend.popularity_half_life_days * 86_400.0,
            on_set_back=on_set_back,
            erased=self._people,
        )
        self._topics = topics
        self._transitions = transition_settings(settings.profile)
        self._max_skew = timedelta(seconds=settings.profile.max_event_clock_skew_s)
        self._now = now
        self._metrics = metrics

    async def begin(self, deliveries: Sequence[Delivery]) -> Finish:
        """See `OverlappingProcessor`."""
        return await self._begun(deliveries)

    async def plan(self, records: Sequence[Record], is_applied: Sequence[bool]) -> ProfilePlan:
        """Apply what is not applied yet; see `FencedRole.plan`."""
        planned_s = self._clock()
        reads: list[_Read] = []
        outgoing: list[Outgoing] = []
        refused: list[BadInputError] = []
        for record, applied in zip(records, is_applied, strict=True):
            try:
                reads.append(self._read(record, applied))
            except BadInputError as error:
                refused.append(error)
                outgoing.append(
                    dead_letter_outgoing(self._topics.dead_letters, record, STAGE, error, self._now())
                )
        by_user: dict[str, list[_Read]] = {}
        for read in reads:
            by_user.setdefault(read.event.user_id, []).append(read)
        stored = await self.store.load([profile_key(user_id) for user_id in by_user])
        writes: list[Write] = []
        increments: list[CounterIncrement] = []
        effects: list[Effect] = []
        dropped = 0
        people: dict[str, Profile] = {}
        gone: list[str] = []
        for (user_id, all_own), value in zip(by_user.items(), stored, strict=True):
            before = self._people.profile(stored_profile(user_id, value))
            own = all_own
            if not self._people.is_empty:
                own = [read for read in all_own if not self._people.is_past(user_id, _known_by_ms(read))]
            dropped += len(all_own) - len(own)
            if not own:
                # What a worker published of these, which died before it knew of the erasure, must not stay.
                gone += [user_id] * any(read.is_applied for read in all_own)
                continue
            fresh = [read for read in own if not read.is_applied]
            after, own_effects = apply_events(
                before, [_profile_event(read) for read in fresh], self._transitions
            )
            people[user_id] = after
            effects += own_effects
            increments += [
                CounterIncrement(read.event.item_id, effect.weight, read.occurred_at.timestamp())
                for read, effect in zip(fresh, own_effects, strict=True)
                if effect.changed and effect.weight > 0
            ]
            encoded = encode_profile(after)
            if after is not before:
                expected = MISSING if value is None else value[:VERSION_BYTES]
                writes.append(Write(profile_key(user_id), expected, pack_version(after.version) + encoded))
            kinds = iter(own_effects)
            # After a crash those applied before are owed too: readers tell by the version what is new.
            counted = [read for read in own if read.is_applied or next(kinds).changed]
            outgoing.append(self._changed(after, encoded, own, counted))
        outgoing += await current_profiles(self.store, self._topics, self._people, gone)
        clamped = sum(read.occurred_at != read.event.occurred_at for read in reads)
        return ProfilePlan(
            writes,
            outgoing,
            increments,
            effects=effects,
            refused=refused,
            clamped=clamped,
            dropped=dropped,
            people=people,
            planned_s=planned_s,
        )

    async def published(self, plan: Plan) -> None:
        """Mend what was published late: of people who were forgotten meanwhile, or whose profile went on.

        What was acknowledged is taken to be in the person's newest record, which alone outlives compaction.
        Where it was quick, whoever carries out an erasure publishes over it (`workers.person_eraser`).
        """
        if not isinstance(plan, ProfilePlan) or not plan.people:
            return
        if self._clock() - plan.planned_s < QUICK_S:
            return
        await self._people.refresh(self.store)
        stored = await self.store.load([profile_key(user_id) for user_id in plan.people])
        outdated = [
            user_id
            for (user_id, profile), value in zip(plan.people.items(), stored, strict=True)
            if self._people.is_void(user_id, profile.since_ms) or stored_version(value) != profile.version
        ]
        if outdated:
            await publish_current(self.store, self._publisher, self._topics, self._people, outdated)

    def committed(self, plan: Plan) -> None:
        """Count effects, duplicates, refusals and clamped times."""
        if not isinstance(plan, ProfilePlan):
            return
        for kind, events in Counter(effect.kind for effect in plan.effects).items():
            self._metrics.effects(kind, events)
        for error in plan.refused:
            self._metrics.refused(error.reason)
        if plan.clamped:
            self._metrics.clamped(plan.clamped)
        if plan.dropped:
            self._metrics.dropped(plan.dropped)

    def conflicted(self) -> None:
        """Count the batch that is planned again."""
        self._metrics.conflict()

    def _read(self, record: Record, is_applied: bool) -> _Read:
        event = decode_record(record, Event)
        published_at = datetime.fromtimestamp(record.timestamp_ms / 1_000, UTC)
        occurred_at = counted_time(event, published_at, self._max_skew)
        return _Read(record, event, occurred_at, published_at, is_applied)

    def _changed(
        self, profile: Profile, encoded: bytes, own: Sequence[_Read], counted: Sequence[_Read]
    ) -> Outgoing:
        # The one that occurred last: an import among live events must not make their list silent.
        last = max(reversed(own), key=lambda read: read.occurred_at)
        message = ProfileChanged(
            user_id=profile.user_id,
            version=profile.version,
            cause=EventCause(
                event_id=last.event.event_id,
                occurred_at=last.occurred_at,
                published_at=last.published_at,
            ),
            state=encoded,
            applied=[
                AppliedEvent(
                    event_id=read.event.event_id,
                    item_id=read.event.item_id,
                    action=read.event.action,
                    weight=self._transitions.weight_of(read.event.action, read.event.value),
                    occurred_at=read.occurred_at,
                    recommendation_id=read.event.recommendation_id,
                    context=read.event.context,
                )
                for read in counted
            ],
            since_ms=profile.since_ms,
        )
        return Outgoing(self._topics.profiles, profile.user_id.encode(), encode(message))


def _known_by_ms(read: _Read) -> int:
    """When an event was: as it occurred, or reached Kafka. One that is published again was before, too."""
    return min(read.record.timestamp_ms, round(read.occurred_at.timestamp() * 1_000))


def _profile_event(read: _Read) -> ProfileEvent:
    event, record = read.event, read.record
    return ProfileEvent(
        event_id=event.event_id,
        item_id=event.item_id,
        action=event.action,
        occurred_at_ms=round(read.occurred_at.timestamp() * 1_000),
        value=event.value,
        source=SourcePosition(record.topic_uuid, record.partition, record.offset),
    )
