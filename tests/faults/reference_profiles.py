"""An independent model of profiles: plain Python over the events of the topic, from the documentation alone.

It shares no code with `models.profile`: what it knows is docs/guide/delivery.md, the contract, and the
docstrings that say what a profile remembers. Events that Kafka holds in one partition are taken in their
order. Where a person's events are in several, what depends on the order between them is left out.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any

from tests.faults.reference_outcomes import LiveEvent, live_event

HISTORY = 200
REMEMBERED_EVENTS = 256
SEEN_EXACTLY = 1_000
FILTER_BITS = 131_072
FILTER_PROBES = 7
MAX_AHEAD_MS = 300_000
# Weight, whether it marks the item as seen, and the values at which the weight is 0 and whole.
RULES: dict[str, tuple[float, bool, tuple[float, float] | None]] = {
    "view": (0.3, False, None),
    "click": (1.0, True, None),
    "play": (1.5, True, (0.0, 1.0)),
    "like": (2.0, True, None),
    "dislike": (-2.0, True, None),
    "skip": (-0.5, True, None),
    "add_to_cart": (2.0, True, None),
    "purchase": (3.0, True, None),
    "rate": (2.0, True, (2.5, 5.0)),
}
OTHER = (0.0, False, None)


@dataclass(frozen=True)
class SourceEvent:
    """A record of `events`: where it lies, Kafka's timestamp, and its value."""

    partition: int
    offset: int
    timestamp_ms: int
    value: bytes


@dataclass
class ReferenceProfile:
    """What must be remembered of a person."""

    version: int = 0
    history: list[tuple[int, str, str, float]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    positives: int = 0
    negatives: int = 0
    recent: list[bytes] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    filter_bits: set[int] = field(default_factory=set)
    filtered: int = 0
    all_seen: set[bytes] = field(default_factory=set)
    applied: dict[int, int] = field(default_factory=dict)
    partitions: set[int] = field(default_factory=set)
    duplicates: int = 0
    last_live_version: int = 0

    @property
    def is_ordered(self) -> bool:
        """Whether everything of the person is in one partition."""
        return len(self.partitions) == 1


@dataclass
class Reference:
    """What the topic says.

    Attributes:
        profiles: By person.
        popularity: Item → weight and time (seconds) of each effect that counts.
        broken: Positions of what is no event, as (partition, offset).
        event_ids: Of all events.
        live: Those of the moment, each once.
    """

    profiles: dict[str, ReferenceProfile] = field(default_factory=dict)
    popularity: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    broken: set[tuple[int, int]] = field(default_factory=set)
    event_ids: set[str] = field(default_factory=set)
    live: list[LiveEvent] = field(default_factory=list)

    def take(self, records: Iterable[SourceEvent]) -> None:
        """Take records; those of one partition in their order."""
        for record in records:
            try:
                value = json.loads(record.value)
            except ValueError:
                self.broken.add((record.partition, record.offset))
                continue
            self._apply(record, value)

    def _apply(self, record: SourceEvent, value: dict[str, Any]) -> None:
        self.event_ids.add(value["event_id"])
        profile = self.profiles.setdefault(value["user_id"], ReferenceProfile())
        profile.partitions.add(record.partition)
        # A repeated event moves it as well, as long after its event may be among the recent ones no more.
        profile.applied[record.partition] = max(record.offset, profile.applied.get(record.partition, -1))
        digest = _hash(value["event_id"])
        if digest in profile.recent:
            profile.duplicates += 1
            return
        time_ms = round(datetime.fromisoformat(value["occurred_at"]).timestamp() * 1_000)
        if time_ms > record.timestamp_ms + MAX_AHEAD_MS:
            time_ms = record.timestamp_ms
        action, item_id = value["action"], value["item_id"]
        weight, marks_seen, ends = RULES.get(action, OTHER)
        if ends is not None and "value" in value:
            share = (value["value"] - ends[0]) / (ends[1] - ends[0])
            weight *= min(1.0, max(-1.0, share))
        profile.version += 1
        profile.recent = [*profile.recent, digest][-REMEMBERED_EVENTS:]
        profile.counts[action] = profile.counts.get(action, 0) + 1
        profile.positives += weight > 0
        profile.negatives += weight < 0
        if weight or marks_seen:
            profile.history.append((time_ms, item_id, action, _single(weight)))
            profile.history = sorted(profile.history)[-HISTORY:]
        if marks_seen:
            _see(profile, _hash(item_id))
        if weight > 0:
            self.popularity.setdefault(item_id, []).append((weight, time_ms / 1_000))
        if not value.get("context"):
            profile.last_live_version = profile.version
            self.live.append(live_event(value, time_ms, record.timestamp_ms))


def _see(profile: ReferenceProfile, item: bytes) -> None:
    profile.all_seen.add(item)
    if item in profile.seen or all(bit in profile.filter_bits for bit in _bits(item)):
        return
    profile.seen.append(item)
    if len(profile.seen) > SEEN_EXACTLY:
        profile.filter_bits.update(_bits(profile.seen.pop(0)))
        profile.filtered += 1


def _hash(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()


def _bits(digest: bytes) -> list[int]:
    first, second = struct.unpack("<II", digest)
    return [(first + probe * (second | 1)) % FILTER_BITS for probe in range(FILTER_PROBES)]


def _single(number: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", number))[0])


def filter_bits(packed: bytes) -> set[int]:
    """The bits that are set in a stored filter."""
    return {8 * at + bit for at, byte in enumerate(packed) if byte for bit in range(8) if byte >> bit & 1}
