"""Figures from a demo's journal. Nothing here reads a clock or a network."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from deploy.demo.catalogue import is_to_taste, labels_of, modality_of
from deploy.demo.tastes import Taste
from workers.demo.journal import Journal, PublishedEvent, PublishedItem, ReceivedList

PRECISION_AT = 10
WARM_UP_EVENTS = 5
"""Lists that know fewer events of a person are not judged: nobody can guess the taste of a stranger."""


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that ``share`` (0 to 1) of all do not exceed (nearest rank); NaN where none are."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class TastePrecision:
    """How well lists met a taste, over ``lists`` lists.

    ``precision`` is the mean share of liked items among the first ten; ``random`` is the same for ten items
    drawn at random from what the person had not acted on, exactly.
    """

    taste: str
    lists: int
    precision: float
    random: float

    @property
    def ratio(self) -> float:
        """How many times better than random; NaN without lists."""
        return self.precision / self.random if self.random > 0 else math.nan


def taste_precision(
    taste: Taste, user_ids: Collection[str], journal: Journal, marks_seen: Collection[str]
) -> TastePrecision:
    """Judge the lists of the people of a taste, once they are warm.

    Args:
        marks_seen: The actions after which an item is not recommended again.
    """
    precisions: list[float] = []
    chances: list[float] = []
    labels = {published.item.item_id: labels_of(published.item) for published in journal.items}
    liked = {item_id for item_id, own in labels.items() if taste.likes(own)}
    for received in journal.lists_so_far():
        if received.user_id not in user_ids or received.profile_version < WARM_UP_EVENTS:
            continue
        acted = journal.events[received.user_id][: received.profile_version]
        seen = {one.event.item_id for one in acted if one.event.action in marks_seen}
        there = {one.item.item_id for one in journal.items if one.at_s <= received.at_s} - seen
        first = received.item_ids[:PRECISION_AT]
        precisions.append(sum(item_id in liked for item_id in first) / PRECISION_AT)
        # The expected share of liked items in a random draw is their share in what is drawn from.
        chances.append(len(there & liked) / len(there) if there else 0.0)
    return TastePrecision(taste.name, len(precisions), _mean(precisions), _mean(chances))


@dataclass(frozen=True, slots=True)
class Arrival:
    """How long a new item took into the first list of a person to whose taste it is; None: never."""

    item_id: str
    modality: str
    after_s: float | None


def arrivals(new: Iterable[PublishedItem], journal: Journal, taste_of: Mapping[str, Taste]) -> list[Arrival]:
    """When each new item first appeared in a matching list.

    Args:
        taste_of: The taste of each person, by user id.
    """
    lists = journal.lists_so_far()
    found = []
    for published in new:
        item = published.item
        fans = {user_id for user_id, taste in taste_of.items() if is_to_taste(item, taste)}
        times = [one.at_s for one in lists if one.user_id in fans and item.item_id in one.item_ids]
        after_s = min(times) - published.at_s if times else None
        found.append(Arrival(item.item_id, modality_of(item), after_s))
    return found


def event_latencies(journal: Journal, *, outage: tuple[float, float] | None = None) -> list[float]:
    """Seconds from publishing each event to the first list of that person which knows it.

    An event that has no list of its own, because a newer one covers it, counts until that one. Events that no
    list knows are left out; `unanswered` counts them.

    Args:
        outage: Events that were on their way at any time between these two are left out.
    """
    found = []
    for event, received in _answers(journal):
        if received is None:
            continue
        if outage is not None and event.at_s <= outage[1] and received.at_s >= outage[0]:
            continue
        found.append(received.at_s - event.at_s)
    return found


def unanswered(journal: Journal) -> int:
    """How many events no list knows."""
    return sum(received is None for _, received in _answers(journal))


def _answers(journal: Journal) -> Iterable[tuple[PublishedEvent, ReceivedList | None]]:
    by_user: dict[str, list[ReceivedList]] = defaultdict(list)
    for received in journal.lists_so_far():
        own = by_user[received.user_id]
        # Only lists that know more than those before can be the first to know an event.
        if not own or received.profile_version > own[-1].profile_version:
            own.append(received)
    for user_id, events in journal.events.items():
        lists = by_user[user_id]
        versions = [received.profile_version for received in lists]
        for number, event in enumerate(events, start=1):
            position = bisect_left(versions, number)
            yield event, lists[position] if position < len(lists) else None


@dataclass(frozen=True, slots=True)
class Account:
    """Events published and effects applied, over all people. ``wrong``: people for whom they differ."""

    published: int
    applied: int
    sent_again: int
    wrong: tuple[str, ...]


def account(journal: Journal, versions: Mapping[str, int]) -> Account:
    """Compare each person's ``profile_version`` in the end with the number of their distinct events."""
    expected = {user_id: len(own) for user_id, own in journal.events.items() if own}
    wrong = sorted(user_id for user_id, count in expected.items() if versions.get(user_id, 0) != count)
    applied = sum(versions.get(user_id, 0) for user_id in expected)
    return Account(journal.event_count, applied, journal.sent_again, tuple(wrong))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
