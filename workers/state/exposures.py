"""What a person was shown and did with it, and the only place where that changes.

Pure: no Redis, no Kafka, no clock.

Lists and events of a person come from two topics, each in order, but in no order between them. What makes
the join independent of how they interleave is causality: a list that a person was shown was in Kafka before
what they did with it was. So an event waits until lists published after it (``until_ms``) have been read;
by then every list that it may belong to is here. An event that names its list does not wait once that list
is here.

Everything is bounded: lists by `JoinBounds`, waiting events by `WAITING_EVENTS` (the oldest is then decided
with the lists that are here), ids remembered against repeats by `RECENT_IDS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple, Protocol

import msgspec

from models.profile.hashing import HASH_BYTES, contains_hash, hash64
from streams.messages import Outcome
from workers.state.store import VERSION_BYTES, pack_version

WAITING_EVENTS = 100
RECENT_IDS = 256
# The clocks of the machines that stamp lists and events may differ by this much. A list that is named and not
# here is given up only so long after: nothing is late by that, and an outcome may depend on it.
CLOCKS_MS = 5_000
# The source of outcomes that no record brought about, but the end of a wait.
TIMER = "timer"
_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)

Unmatched = Literal["list_unknown", "not_on_list", "after_window", "no_list", "late", "duplicate"]


@dataclass(frozen=True, slots=True)
class JoinBounds:
    """How long after its list an event counts, and how many lists of a person wait for events."""

    window_us: int
    lists_per_user: int


class ShownList(msgspec.Struct, frozen=True, array_like=True):
    """A list as it is kept.

    ``shown_us`` is its time in microseconds since the epoch, ``published_ms`` Kafka's timestamp of its
    record. ``propensities`` is as long as ``item_ids``, or empty where nothing was left to chance.
    ``is_positive`` and ``is_converted`` say whether an outcome of that kind was counted already.
    """

    recommendation_id: str
    shown_us: int
    published_ms: int
    model: str
    experiment: str | None
    arm: str | None
    item_ids: tuple[str, ...]
    propensities: tuple[float | None, ...] = ()
    is_positive: bool = False
    is_converted: bool = False


class JoinEvent(msgspec.Struct, frozen=True, array_like=True):
    """An event that waits for its list. ``after_ms``: lists published before are those it may belong to."""

    event_id: str
    item_id: str
    action: str
    weight: float
    occurred_us: int
    after_ms: int
    recommendation_id: str | None = None


class Owed(msgspec.Struct, frozen=True, array_like=True):
    """An outcome, encoded, that may not be in Kafka yet: it is published again with the record that
    brought it about, at ``offset`` of ``source``; that is `TIMER` where it was the end of a wait.
    """

    source: str
    offset: int
    outcome: bytes


class Exposures(msgspec.Struct, frozen=True, array_like=True):
    """All that the join knows of a person.

    ``version`` counts changes. ``recent_lists`` and ``recent_events`` are packed hashes of the last ids.
    ``partition`` is that of the person's events, under which they have a timer. ``since_ms`` is when they
    last asked to be forgotten, 0 for never: what is from before that moment is void.
    """

    user_id: str
    version: int = 0
    lists: tuple[ShownList, ...] = ()
    waiting: tuple[JoinEvent, ...] = ()
    recent_lists: bytes = b""
    recent_events: bytes = b""
    owed: tuple[Owed, ...] = ()
    partition: int = 0
    since_ms: int = 0

    @property
    def needs_timer(self) -> bool:
        """Whether something is to be decided or published that no further record may bring about."""
        return bool(self.waiting) or any(one.source == TIMER for one in self.owed)


class CountedOutcome(NamedTuple):
    """As what an outcome counts; ``day`` is that of its list (UTC), ``experiment`` and ``arm`` may be empty.

    ``is_first_positive`` and ``is_first_conversion``: the first of that kind on its list.
    """

    day: date
    model: str
    experiment: str
    arm: str
    action: str
    is_positive: bool
    is_first_positive: bool
    is_first_conversion: bool


class Decided(NamedTuple):
    """An event that was joined before, as the published outcome tells; the list by a hash of its id."""

    list_hash: bytes
    counted: CountedOutcome


class Decisions(Protocol):
    """Knows outcomes that were published before."""

    def find(self, event_id: str) -> Decided | None:
        """What an event was joined with; None where nothing is known of that."""

    def marks(self, recommendation_id: str) -> tuple[bool, bool]:
        """Whether a list has positive outcomes, and conversions, among those known."""


class NothingDecided:
    """No outcome is known."""

    def find(self, event_id: str) -> Decided | None:
        """None."""
        return None

    def marks(self, recommendation_id: str) -> tuple[bool, bool]:
        """None of both."""
        return False, False


@dataclass(frozen=True, slots=True)
class Joined:
    """A match."""

    outcome: Outcome
    counted: CountedOutcome


@dataclass(slots=True)
class Step:
    """What a batch does to one person: the state so far, and what is to be counted and published.

    ``decided`` tells which list an event was joined with before, where state was lost or set back since: it
    counts again, as state has forgotten that too, and is not joined again, perhaps with another list.

    ``behind_ms`` is asked where something waits: of lists that were published since then, some may not be
    here yet, whatever came after them. Where partitions were added, a person's lists are in two of them.
    """

    state: Exposures
    bounds: JoinBounds
    conversions: frozenset[str] = frozenset()
    decided: Decisions = field(default_factory=NothingDecided)
    behind_ms: Callable[[], float] = lambda: math.inf
    lists: list[ShownList] = field(default_factory=list)
    joined: list[Joined] = field(default_factory=list)
    recalled: list[CountedOutcome] = field(default_factory=list)
    unmatched: list[Unmatched] = field(default_factory=list)

    def show(self, shown: ShownList) -> None:
        """A list was shown; of an id the first in Kafka counts, and not at all where it is empty."""
        digest = hash64(shown.recommendation_id)
        state = self.state
        if contains_hash(state.recent_lists, digest):
            self._show_again(shown)
            return
        recent = _remember(state.recent_lists, digest)
        if not shown.item_ids:
            self.state = msgspec.structs.replace(state, recent_lists=recent)
            return
        self.lists.append(shown)
        is_positive, is_converted = self.decided.marks(shown.recommendation_id)
        if is_positive or is_converted:
            shown = msgspec.structs.replace(shown, is_positive=is_positive, is_converted=is_converted)
        # Not by their age: events may be read long after lists that came later than they did.
        is_full = len(state.lists) >= self.bounds.lists_per_user
        if is_full:
            # What belongs to the list that goes must not miss it; this one comes after all that are here.
            self.settle(shown.published_ms)
        kept = [*self.state.lists, shown]
        if is_full:
            kept.remove(min(kept, key=lambda one: one.shown_us))
        self.state = msgspec.structs.replace(self.state, lists=tuple(kept), recent_lists=recent)

    def _show_again(self, shown: ShownList) -> None:
        """Where partitions were added, the repeat of a list may be read before the list itself.

        Which is first, Kafka's time says: the clock of who made the repeat may be another.
        """
        held = self._held(shown.recommendation_id)
        if held is None or not shown.item_ids or held.published_ms <= shown.published_ms:
            return
        first = msgspec.structs.replace(shown, is_positive=held.is_positive, is_converted=held.is_converted)
        self._replace(held, first)

    def happen(self, event: JoinEvent, published_us: int) -> None:
        """Something was done; the first of an id counts.

        ``published_us`` is when the event reached Kafka: one that came later than the window after it
        occurred, such as history that is imported, is not joined.
        """
        digest = hash64(event.event_id)
        state = self.state
        if contains_hash(state.recent_events, digest):
            self.unmatched.append("duplicate")
            return
        if published_us - event.occurred_us > self.bounds.window_us:
            self.unmatched.append("late")
            return
        self.state = msgspec.structs.replace(
            state,
            waiting=(*state.waiting, event),
            recent_events=_remember(state.recent_events, digest),
        )

    def settle(self, until_ms: float) -> None:
        """Decide what can be decided, where lists published before ``until_ms`` are here."""
        if not self.state.waiting:
            return
        until_ms = min(max([until_ms, *(one.published_ms for one in self.state.lists)]), self.behind_ms())
        surplus = len(self.state.waiting) - WAITING_EVENTS
        waiting = []
        for number, event in enumerate(self.state.waiting):
            decided = self.decided.find(event.event_id)
            if decided is not None:
                self._recall(decided)
                continue
            found = self._decide(event, until_ms, must=number < surplus)
            if found is None:
                waiting.append(event)
            elif isinstance(found, ShownList):
                self._join(event, found)
            else:
                self.unmatched.append(found)
        if len(waiting) < len(self.state.waiting):
            self.state = msgspec.structs.replace(self.state, waiting=tuple(waiting))

    def owe(self, source: str, offset: int, outcomes: Sequence[bytes]) -> None:
        """Remember outcomes until it is known that Kafka has them."""
        if not outcomes:
            return
        new = tuple(Owed(source, offset, outcome) for outcome in outcomes)
        self.state = msgspec.structs.replace(self.state, owed=(*self.state.owed, *new))

    def _decide(self, event: JoinEvent, until_ms: float, *, must: bool) -> ShownList | Unmatched | None:
        """The event's list, why it has none, or None while that is not known (never where it ``must`` be)."""
        lists, window_us = self.state.lists, self.bounds.window_us
        if event.recommendation_id is not None:
            named = self._held(event.recommendation_id)
            if named is None:
                return "list_unknown" if must or event.after_ms + CLOCKS_MS < until_ms else None
            if event.item_id not in named.item_ids:
                return "not_on_list"
            return named if event.occurred_us - named.shown_us <= window_us else "after_window"
        if not must and event.after_ms >= until_ms:
            return None
        newest: ShownList | None = None
        for one in lists:
            if (
                0 <= event.occurred_us - one.shown_us <= window_us
                and (newest is None or one.shown_us >= newest.shown_us)
                and event.item_id in one.item_ids
            ):
                newest = one
        return newest or "no_list"

    def _held(self, recommendation_id: str) -> ShownList | None:
        return next((one for one in self.state.lists if one.recommendation_id == recommendation_id), None)

    def _replace(self, held: ShownList, by: ShownList) -> None:
        lists = tuple(by if one is held else one for one in self.state.lists)
        self.state = msgspec.structs.replace(self.state, lists=lists)

    def _recall(self, decided: Decided) -> None:
        self.recalled.append(decided.counted)
        for one in self.state.lists:
            if hash64(one.recommendation_id) == decided.list_hash:
                self._mark(one, decided.counted.is_positive, decided.counted.action)

    def _mark(self, of: ShownList, is_positive: bool, action: str) -> tuple[bool, bool]:
        """Keep with a list what an outcome was; whether it is its first positive one and conversion."""
        is_first_positive = is_positive and not of.is_positive
        is_first_conversion = action in self.conversions and not of.is_converted
        if is_first_positive or is_first_conversion:
            marked = msgspec.structs.replace(
                of,
                is_positive=of.is_positive or is_first_positive,
                is_converted=of.is_converted or is_first_conversion,
            )
            self._replace(of, marked)
        return is_first_positive, is_first_conversion

    def _join(self, event: JoinEvent, of: ShownList) -> None:
        position = of.item_ids.index(event.item_id)
        outcome = Outcome(
            recommendation_id=of.recommendation_id,
            user_id=self.state.user_id,
            item_id=event.item_id,
            position=position + 1,
            event_id=event.event_id,
            action=event.action,
            weight=event.weight,
            occurred_at=time_of(event.occurred_us),
            shown_at=time_of(of.shown_us),
            model=of.model,
            matched_by="item" if event.recommendation_id is None else "recommendation_id",
            propensity=of.propensities[position] if of.propensities else None,
            experiment=of.experiment,
            arm=of.arm,
        )
        counted = CountedOutcome(
            time_of(of.shown_us).date(),
            of.model,
            of.experiment or "",
            of.arm or "",
            event.action,
            event.weight > 0,
            *self._mark(of, event.weight > 0, event.action),
        )
        self.joined.append(Joined(outcome, counted))


def microseconds(time: datetime) -> int:
    """Since the epoch."""
    return (time - _EPOCH) // _MICROSECOND


def time_of(us: int) -> datetime:
    """The time so many microseconds after the epoch."""
    return _EPOCH + timedelta(microseconds=us)


def _remember(packed: bytes, digest: bytes) -> bytes:
    return (packed + digest)[-RECENT_IDS * HASH_BYTES :]


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Exposures)


def shown_ms(state: Exposures) -> dict[str, int]:
    """Item → when it was last shown, in milliseconds since the epoch, by the lists that are kept."""
    found: dict[str, int] = {}
    for one in state.lists:
        for item_id in one.item_ids:
            found[item_id] = max(found.get(item_id, 0), one.shown_us // 1_000)
    return found


def timers_name(partition: int) -> str:
    """The timers of the people in a partition who have events that wait."""
    return f"join:{partition}"


def exposures_key(user_id: str) -> str:
    """Where a person's exposures are kept."""
    return f"exposures:{user_id}"


def encode_exposures(state: Exposures) -> bytes:
    """The stored form: the version as prefix, then MessagePack."""
    return pack_version(state.version) + _encode(state)


def decode_exposures(user_id: str, stored: bytes | None) -> Exposures:
    """The state behind `exposures_key`; a stranger's where there is none."""
    return Exposures(user_id) if stored is None else _decoder.decode(stored[VERSION_BYTES:])
