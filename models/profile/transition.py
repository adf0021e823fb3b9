"""The only place where a profile changes: one event in, the next profile out.

Order does not matter: the history is the newest N entries by (time, item id, action, weight), which is
a set's top N however it arrives, and everything else counts or collects. So any permutation of distinct
events gives the same history, counts and seen items, as long as

- a repeated event id comes within 256 distinct events of its first arrival (after, it counts again),
- at most 32 action names without settings occur (further ones count as ``other``),
- up to 1,000 items are marked as seen (beyond, the filter may differ in its false positives), and up to
  1,000 are repeatable,
- each source partition is read in the order of its offsets.

An event enters the history if it says something of taste (its weight is not 0) or if its action marks
items as seen: a middling rating says nothing of taste, but what people rate after one another says much of
what they do next. Others are counted and deduplicated only, and do not push out what is remembered.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from models.errors import SettingError
from models.profile.bloom import BLOOM_BYTES, bloom_add, bloom_has
from models.profile.hashing import HASH_BYTES, contains_hash, hash64
from models.profile.state import APPLIED_SOURCES, RECENT_EVENTS, REPEATABLE_ITEMS, SEEN_EXACT, Profile

OTHER_ACTION = "other"
_NAMES_WITHOUT_SETTINGS = 32
# A history entry names its action by one byte.
_MAX_NAMES = 250


@dataclass(frozen=True, slots=True)
class ActionRule:
    """What an action says of taste, and what it does to the item.

    The weight is multiplied by ``(value − value_neutral) / (value_full − value_neutral)``, held within
    [−1, 1], where the event has a value and both ends are set. ``marks_seen`` leaves the item out of
    later lists; ``may_repeat`` lets it in again for good, whatever else marked it.
    """

    weight: float
    marks_seen: bool = True
    may_repeat: bool = False
    value_neutral: float | None = None
    value_full: float | None = None

    def __post_init__(self) -> None:
        numbers = (self.weight, self.value_neutral or 0.0, self.value_full or 0.0)
        if not all(map(math.isfinite, numbers)):
            raise SettingError("weight, value_neutral and value_full of an action must be finite")
        if self.value_neutral is not None and self.value_neutral == self.value_full:
            raise SettingError(f"value_neutral and value_full of an action are both {self.value_full}")

    def weight_of(self, value: float | None) -> float:
        """The weight of an event with this value."""
        if value is None or self.value_neutral is None or self.value_full is None:
            return self.weight
        share = (value - self.value_neutral) / (self.value_full - self.value_neutral)
        return self.weight * min(1.0, max(-1.0, share))


def _default_actions() -> dict[str, ActionRule]:
    return {
        "view": ActionRule(0.3, marks_seen=False),
        "click": ActionRule(1.0),
        "play": ActionRule(1.5, value_neutral=0.0, value_full=1.0),
        "like": ActionRule(2.0),
        "dislike": ActionRule(-2.0),
        "skip": ActionRule(-0.5),
        "add_to_cart": ActionRule(2.0),
        "purchase": ActionRule(3.0),
        "rate": ActionRule(2.0, value_neutral=2.5, value_full=5.0),
    }


@dataclass(frozen=True, slots=True)
class TransitionSettings:
    """How profiles change. ``other_action`` is for actions that are not in ``actions``."""

    history_items: int = 200
    actions: Mapping[str, ActionRule] = field(default_factory=_default_actions)
    other_action: ActionRule = ActionRule(0.0, marks_seen=False)

    def __post_init__(self) -> None:
        if self.history_items < 1:
            raise SettingError(f"history_items is {self.history_items}; it must be at least 1")

    def rule_of(self, action: str) -> ActionRule:
        """The rule of an action, also of one without settings."""
        return self.actions.get(action, self.other_action)

    def weight_of(self, action: str, value: float | None) -> float:
        """The weight of an event."""
        return self.rule_of(action).weight_of(value)


def source_key(topic_uuid: str, partition: int) -> str:
    """How a profile names a source partition.

    By 8 of the 32 hexadecimal digits of Kafka's id: enough to tell the few lives of one topic apart.
    """
    return f"{topic_uuid[:8]}/{partition}"


class SourcePosition(msgspec.Struct, frozen=True):
    """Where an event lies in Kafka."""

    topic_uuid: str
    partition: int
    offset: int


class ProfileEvent(msgspec.Struct, frozen=True):
    """What a transition needs of an event. ``occurred_at_ms`` is already clamped, ``value`` is finite."""

    event_id: str
    item_id: str
    action: str
    occurred_at_ms: int
    value: float | None = None
    source: SourcePosition | None = None


class Effect(msgspec.Struct, frozen=True):
    """What an event did.

    ``duplicate``: its id is among the last 256. ``already_applied``: this profile has its source position
    behind it. Neither has an effect; the former moves the source position. ``weight`` is the event's, also
    where it had no effect.
    """

    kind: Literal["applied", "duplicate", "already_applied"]
    weight: float

    @property
    def changed(self) -> bool:
        """Whether the profile changed."""
        return self.kind == "applied"


def apply_event(
    profile: Profile, event: ProfileEvent, settings: TransitionSettings
) -> tuple[Profile, Effect]:
    """The profile after one event; the same object where nothing changed, not even ``applied``."""
    after, (effect,) = apply_events(profile, (event,), settings)
    return after, effect


def apply_events(
    profile: Profile, events: Iterable[ProfileEvent], settings: TransitionSettings
) -> tuple[Profile, list[Effect]]:
    """The profile after several events of its user, in order of arrival; one effect for each."""
    draft = _Draft(profile)
    effects = [draft.apply(event, settings) for event in events]
    return draft.finish(profile), effects


class _Draft:
    """A profile being changed: the columns of `Profile`, mutable."""

    def __init__(self, profile: Profile) -> None:
        self.version = profile.version
        self.item_ids = list(profile.item_ids)
        self.action_codes = bytearray(profile.action_codes)
        self.weights = array("f", profile.weights)
        self.times_ms = array("q", profile.times_ms)
        self.action_names = list(profile.action_names)
        self.action_counts = list(profile.action_counts)
        self.positives = profile.positives
        self.negatives = profile.negatives
        self.recent_events = bytearray(profile.recent_events)
        self.seen = bytearray(profile.seen)
        self.seen_filter = bytearray(profile.seen_filter)
        self.seen_filter_items = profile.seen_filter_items
        self.repeatable = bytearray(profile.repeatable)
        self.applied = dict(profile.applied)

    def apply(self, event: ProfileEvent, settings: TransitionSettings) -> Effect:
        known = event.action in settings.actions
        rule = settings.rule_of(event.action)
        weight = rule.weight_of(event.value)
        source = event.source
        if source is not None:
            key = source_key(source.topic_uuid, source.partition)
            if source.offset <= self.applied.get(key, -1):
                return Effect("already_applied", weight)
        digest = hash64(event.event_id)
        if contains_hash(self.recent_events, digest):
            if source is not None:
                # Read again from the start, long after, its event may not be among the recent ones any more.
                self._advance(key, source.offset)
            return Effect("duplicate", weight)
        self.version += 1
        _append_bounded(self.recent_events, digest, RECENT_EVENTS)
        if source is not None:
            self._advance(key, source.offset)
        code = self._count(event.action, known)
        self.positives += weight > 0
        self.negatives += weight < 0
        if weight or rule.marks_seen:
            self._remember(event, code, weight, settings.history_items)
        if rule.marks_seen:
            self._mark_seen(hash64(event.item_id))
        if rule.may_repeat and not contains_hash(self.repeatable, item := hash64(event.item_id)):
            _append_bounded(self.repeatable, item, REPEATABLE_ITEMS)
        return Effect("applied", weight)

    def finish(self, before: Profile) -> Profile:
        if self.version == before.version and self.applied == before.applied:
            return before
        return Profile(
            before.user_id,
            self.version,
            tuple(self.item_ids),
            bytes(self.action_codes),
            self.weights.tobytes(),
            self.times_ms.tobytes(),
            tuple(self.action_names),
            tuple(self.action_counts),
            self.positives,
            self.negatives,
            bytes(self.recent_events),
            bytes(self.seen),
            bytes(self.seen_filter),
            self.seen_filter_items,
            bytes(self.repeatable),
            self.applied,
            before.since_ms,
        )

    def _advance(self, key: str, offset: int) -> None:
        # Taken out and put back, so that the mapping is ordered by use and the first is the one to forget.
        self.applied.pop(key, None)
        self.applied[key] = offset
        if len(self.applied) > APPLIED_SOURCES:
            del self.applied[next(iter(self.applied))]

    def _count(self, action: str, known: bool) -> int:
        try:
            code = self.action_names.index(action)
        except ValueError:
            full = len(self.action_names) >= (_MAX_NAMES if known else _NAMES_WITHOUT_SETTINGS)
            if full and action != OTHER_ACTION:
                return self._count(OTHER_ACTION, known=True)
            self.action_names.append(action)
            self.action_counts.append(0)
            code = len(self.action_names) - 1
        self.action_counts[code] += 1
        return code

    def _remember(self, event: ProfileEvent, code: int, weight: float, limit: int) -> None:
        time_ms = event.occurred_at_ms
        begin = bisect_left(self.times_ms, time_ms)
        end = bisect_right(self.times_ms, time_ms, begin)
        position = begin
        if begin < end:
            # As stored, so that the order does not depend on which of two entries came first.
            new = (event.item_id, self.action_names[code], array("f", (weight,))[0])
            position += bisect_left(range(begin, end), new, key=self._tie_key)
        self.item_ids.insert(position, event.item_id)
        self.action_codes.insert(position, code)
        self.weights.insert(position, weight)
        self.times_ms.insert(position, time_ms)
        excess = len(self.item_ids) - limit
        if excess > 0:
            del self.item_ids[:excess]
            del self.action_codes[:excess]
            del self.weights[:excess]
            del self.times_ms[:excess]

    def _tie_key(self, position: int) -> tuple[str, str, float]:
        return (
            self.item_ids[position],
            self.action_names[self.action_codes[position]],
            self.weights[position],
        )

    def _mark_seen(self, item: bytes) -> None:
        if contains_hash(self.seen, item) or bloom_has(self.seen_filter, item):
            return
        self.seen += item
        while len(self.seen) > SEEN_EXACT * HASH_BYTES:
            self.seen_filter = self.seen_filter or bytearray(BLOOM_BYTES)
            bloom_add(self.seen_filter, bytes(self.seen[:HASH_BYTES]))
            self.seen_filter_items += 1
            del self.seen[:HASH_BYTES]


def _append_bounded(packed: bytearray, digest: bytes, limit: int) -> None:
    packed += digest
    if len(packed) > limit * HASH_BYTES:
        del packed[: len(packed) - limit * HASH_BYTES]
