"""Which outcomes must be there, and which may: recomputed from the lists and the events alone.

An event that names a list of its person, which holds the item, must have its outcome. One that names none may
have one, with any list of the person that held the item by then: which of them, and whether its list was
read in time, depends on when the join read what.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# How far the join may have read lists ahead of events, and so have dropped the one that an event names.
READ_AHEAD_MS = 30_000

# (recommendation_id, event_id) → person, item, position from 1 on, action.
Outcomes = dict[tuple[str, str], tuple[str, str, int, str]]


@dataclass(frozen=True)
class ShownList:
    """A list that was published, with Kafka's time of it."""

    user_id: str
    shown_at: datetime
    published_ms: int
    item_ids: tuple[str, ...]


@dataclass(frozen=True)
class LiveEvent:
    """An event of the moment, with Kafka's time of it."""

    event_id: str
    user_id: str
    item_id: str
    action: str
    occurred_at: datetime
    published_ms: int
    recommendation_id: str | None


def live_event(value: Mapping[str, Any], time_ms: int, published_ms: int) -> LiveEvent:
    """The event of a message; ``time_ms`` is when it counts as having happened."""
    occurred_at = datetime.fromisoformat(value["occurred_at"])
    if round(occurred_at.timestamp() * 1_000) != time_ms:
        occurred_at = datetime.fromtimestamp(time_ms / 1_000, UTC)
    return LiveEvent(
        value["event_id"],
        value["user_id"],
        value["item_id"],
        value["action"],
        occurred_at,
        published_ms,
        value.get("recommendation_id"),
    )


def shown_list(value: Mapping[str, Any], published_ms: int) -> ShownList:
    """The list of a message."""
    return ShownList(
        value["user_id"],
        datetime.fromisoformat(value["generated_at"]),
        published_ms,
        tuple(item["item_id"] for item in value["items"]),
    )


def expected_outcomes(
    lists: Mapping[str, ShownList], events: Iterable[LiveEvent], *, window: timedelta, lists_per_user: int
) -> tuple[Outcomes, Outcomes]:
    """Those that must be there, and those that may.

    Args:
        lists: By recommendation_id; of repeats the first.
        events: Each once.
        window: How long after its list an event counts.
        lists_per_user: So many newest lists of a person are kept: an event may miss an older one.
    """
    of_person: dict[str, list[tuple[str, ShownList]]] = defaultdict(list)
    for recommendation_id, one in lists.items():
        of_person[one.user_id].append((recommendation_id, one))
    must: Outcomes = {}
    may: Outcomes = {}
    for event in events:
        mine = of_person[event.user_id]
        if event.recommendation_id is None:
            for recommendation_id, one in mine:
                if (
                    timedelta(0) <= event.occurred_at - one.shown_at <= window
                    and event.item_id in one.item_ids
                ):
                    may[recommendation_id, event.event_id] = _outcome(event, one)
            continue
        named = lists.get(event.recommendation_id)
        if named is None or named.user_id != event.user_id or event.item_id not in named.item_ids:
            continue
        if event.occurred_at - named.shown_at > window:
            continue
        newer = sum(
            one.shown_at > named.shown_at and one.published_ms <= event.published_ms + READ_AHEAD_MS
            for _, one in mine
        )
        kept = must if newer < lists_per_user else may
        kept[event.recommendation_id, event.event_id] = _outcome(event, named)
    return must, may


def _outcome(event: LiveEvent, of: ShownList) -> tuple[str, str, int, str]:
    return event.user_id, event.item_id, of.item_ids.index(event.item_id) + 1, event.action
