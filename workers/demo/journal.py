"""What happened in a demo, as it happened. Times are of one clock, in seconds."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.messages import Event, Item, Recommendation


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """An event and when its publishing began."""

    event: Event
    at_s: float


@dataclass(frozen=True, slots=True)
class PublishedItem:
    """An item and when its publishing began."""

    item: Item
    at_s: float


@dataclass(frozen=True, slots=True)
class ReceivedList:
    """A list and when it was received."""

    recommendation_id: str
    user_id: str
    profile_version: int
    item_ids: tuple[str, ...]
    at_s: float


@dataclass
class Journal:
    """Written by the thread that publishes and the one that receives; read by both.

    Attributes:
        events: Of each person, each event once, in order: the n-th makes ``profile_version`` n.
        sent_again: How many events were published a second time, with the same id.
        items: In order.
        lists: Those that events caused, in order of arrival.
    """

    events: dict[str, list[PublishedEvent]] = field(default_factory=lambda: defaultdict(list))
    sent_again: int = 0
    items: list[PublishedItem] = field(default_factory=list)
    lists: list[ReceivedList] = field(default_factory=list)
    _newest: dict[str, ReceivedList] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def event_published(self, event: Event, at_s: float) -> None:
        """Enter an event before it is published; a second time, it only counts as such."""
        own = self.events[event.user_id]
        if any(known.event.event_id == event.event_id for known in own):
            self.sent_again += 1
        else:
            own.append(PublishedEvent(event, at_s))

    def items_published(self, items: Sequence[Item], at_s: float) -> None:
        """Enter items before they are published."""
        self.items += [PublishedItem(item, at_s) for item in items]

    def list_received(self, recommendation: Recommendation, at_s: float) -> None:
        """Enter a list that an event caused; others are passed over."""
        if recommendation.cause.kind != "event":
            return
        entry = ReceivedList(
            recommendation.recommendation_id,
            recommendation.user_id,
            recommendation.profile_version,
            tuple(item.item_id for item in recommendation.items),
            at_s,
        )
        with self._lock:
            self.lists.append(entry)
            held = self._newest.get(entry.user_id)
            if held is None or entry.profile_version >= held.profile_version:
                self._newest[entry.user_id] = entry

    def newest_list(self, user_id: str) -> ReceivedList | None:
        """The list that knows most of a person's events."""
        with self._lock:
            return self._newest.get(user_id)

    def lists_so_far(self) -> list[ReceivedList]:
        """A copy of ``lists``, for reading while they arrive."""
        with self._lock:
            return list(self.lists)

    @property
    def event_count(self) -> int:
        """How many distinct events were published."""
        return sum(len(own) for own in self.events.values())
