"""A join role on a store in memory, fed with lists and events; and what it should find, by brute force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from streams.codec import decode_value, encode
from streams.internal_messages import AppliedEvent, EventCause, ProfileChanged
from streams.messages import Cause, Outcome, Reason, Recommendation, RecommendedItem
from streams.records import Record
from streams.settings import Settings, load_settings
from streams.topic_names import TopicNames
from streams.topics import OUTCOMES
from tests.unit.workers.fakes import NOW, FakeDelivery, FakePublisher, record
from workers.join_metrics import JoinMetrics
from workers.lists_to_outcomes import OutcomeJoiner
from workers.outcome_counts import read_tally, tally_name
from workers.state.memory_store import MemoryStateStore

TOPICS = TopicNames("t.")
LISTS_UUID, PROFILES_UUID = "lists", "profiles"
WINDOW_S = 3_600.0
Json = dict[str, object]


def at(seconds: float, start: datetime = NOW) -> datetime:
    return start + timedelta(seconds=seconds)


def shown(
    recommendation_id: str,
    item_ids: Sequence[str],
    seconds: float,
    *,
    user: str = "anna",
    offset: int = 0,
    propensity: float | None = None,
    model: str = "base",
    arm: str | None = None,
    partition: int = 0,
    start: datetime = NOW,
) -> Record:
    """A list, in Kafka 10 ms after it was made."""
    message = Recommendation(
        recommendation_id=recommendation_id,
        user_id=user,
        profile_version=1,
        cause=Cause(kind="request", id=f"r-{recommendation_id}"),
        items=[
            RecommendedItem(
                item_id=item_id,
                score=1.0,
                reasons=[Reason(kind="bias", contribution=1.0)],
                propensity=propensity,
            )
            for item_id in item_ids
        ],
        model=model,
        generated_at=at(seconds, start),
        complete=True,
        experiment=None if arm is None else "layout",
        arm=arm,
    )
    return record(
        TOPICS.recommendations,
        encode(message),
        key=user.encode(),
        offset=offset,
        topic_uuid=LISTS_UUID,
        at=at(seconds + 0.01, start),
        partition=partition,
    )


@dataclass(frozen=True)
class Did:
    """One event. ``delay_s``: it reached Kafka so long after it occurred."""

    event_id: str
    item_id: str
    seconds: float
    recommendation_id: str | None = None
    action: str = "click"
    weight: float = 1.0
    delay_s: float = 0.0


def happened(
    events: Sequence[Did],
    *,
    user: str = "anna",
    offset: int = 0,
    version: int = 1,
    partition: int = 0,
    start: datetime = NOW,
) -> Record:
    """The profile after events, in Kafka 20 ms after the last of them."""
    last = max(events, key=lambda one: one.seconds + one.delay_s)
    message = ProfileChanged(
        user_id=user,
        version=version,
        cause=EventCause(
            event_id=last.event_id,
            occurred_at=at(last.seconds, start),
            published_at=at(last.seconds + last.delay_s, start),
        ),
        state=b"state",
        applied=[
            AppliedEvent(
                event_id=one.event_id,
                item_id=one.item_id,
                action=one.action,
                weight=one.weight,
                occurred_at=at(one.seconds, start),
                recommendation_id=one.recommendation_id,
            )
            for one in events
        ],
    )
    return record(
        TOPICS.profiles,
        encode(message),
        key=user.encode(),
        offset=offset,
        topic_uuid=PROFILES_UUID,
        at=at(last.seconds + last.delay_s + 0.02, start),
        partition=partition,
    )


def join_settings(**join: object) -> Settings:
    return load_settings(join={"window_hours": WINDOW_S / 3_600, "lists_per_user": 1_000, **join})


@dataclass
class Clocks:
    """The wall clock and the one that only grows, moved by hand."""

    seconds: float = 0.0

    def now(self) -> datetime:
        return at(self.seconds)

    def steady(self) -> float:
        return self.seconds


@dataclass
class JoinBench:
    """One join role on one state store."""

    store: MemoryStateStore = field(default_factory=MemoryStateStore)
    publisher: FakePublisher = field(default_factory=FakePublisher)
    settings: Settings = field(default_factory=join_settings)
    clocks: Clocks = field(default_factory=Clocks)

    def __post_init__(self) -> None:
        self.metrics = JoinMetrics()
        self.role = OutcomeJoiner(
            store=self.store,
            publisher=self.publisher,
            topics=TOPICS,
            settings=self.settings,
            now=self.clocks.now,
            metrics=self.metrics,
            clock=self.clocks.steady,
        )

    def restarted(self) -> JoinBench:
        """Another process: what was in memory is gone."""
        return JoinBench(self.store, self.publisher, self.settings, self.clocks)

    async def feed(self, *records: Record) -> list[FakeDelivery]:
        deliveries = [FakeDelivery(one) for one in records]
        await self.role.process(deliveries)
        return deliveries

    async def sweep(self, after_s: float = 0.0, partition: int = 0) -> None:
        """Look after waits once, with the partition in hand for ``after_s``."""
        self.role.waits._last_list_s.setdefault(partition, self.clocks.seconds)
        self.clocks.seconds += after_s
        await self.role.waits.sweep()

    @property
    def outcomes(self) -> list[Outcome]:
        return [decode_value(one.value or b"", OUTCOMES) for one in self.publisher.on(TOPICS.outcomes)]

    async def counts(self, model: str = "base", experiment: str = "", arm: str = "") -> dict[str, float]:
        """Today's sums of one group, novelty aside."""
        tally = read_tally(await self.store.tally(tally_name(NOW.date())))
        found = tally.get((model, experiment, arm), {})  # type: ignore[call-overload]
        return {measure: amount for measure, amount in found.items() if measure != "novelty_bits"}


@dataclass(frozen=True)
class Expected:
    """A match by brute force."""

    recommendation_id: str
    event_id: str
    position: int
    matched_by: str


def brute_force(
    lists: Sequence[tuple[str, Sequence[str], float]], events: Sequence[Did], window_s: float = WINDOW_S
) -> list[Expected]:
    """Every match of one person's lists (id, items, seconds) and events, each over all of the other."""
    first_lists = {one[0]: one for one in reversed(lists)}
    found = []
    for event in {one.event_id: one for one in reversed(events)}.values():
        if event.delay_s > window_s:
            continue
        if event.recommendation_id is not None:
            candidates = [
                one
                for one in first_lists.values()
                if one[0] == event.recommendation_id
                and event.item_id in one[1]
                and event.seconds - one[2] <= window_s
            ]
        else:
            candidates = [
                one
                for one in first_lists.values()
                if event.item_id in one[1] and 0 <= event.seconds - one[2] <= window_s
            ]
        if candidates:
            best = max(candidates, key=lambda one: one[2])
            by = "item" if event.recommendation_id is None else "recommendation_id"
            found.append(Expected(best[0], event.event_id, list(best[1]).index(event.item_id) + 1, by))
    return found


def expected_counts(
    lists: Sequence[tuple[str, Sequence[str], float]], events: Sequence[Did], matches: Sequence[Expected]
) -> dict[str, float]:
    """What the counts of these should be."""
    firsts = {one[0]: one for one in reversed(lists)}
    unique = {key: one for key, one in firsts.items() if one[1]}
    by_id = {one.event_id: one for one in reversed(events)}
    counts: Counter[str] = Counter()
    if unique:
        counts["lists"] = len(unique)
        counts["items"] = sum(len(one[1]) for one in unique.values())
    for match in matches:
        event = by_id[match.event_id]
        counts[f"outcomes:{event.action}"] += 1
        counts["positive_outcomes"] += event.weight > 0
        counts["conversions"] += event.action == "purchase"
    positive = {one.recommendation_id for one in matches if by_id[one.event_id].weight > 0}
    converted = {one.recommendation_id for one in matches if by_id[one.event_id].action == "purchase"}
    counts["lists_with_positive"], counts["lists_with_conversion"] = len(positive), len(converted)
    return {measure: float(count) for measure, count in counts.items() if count}
