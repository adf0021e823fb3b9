"""Messages are valid from the moment that they are constructed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from streams.messages import (
    CallerVector,
    Event,
    Item,
    Media,
    Range,
    Reason,
    RecommendationRequest,
    RecommendedItem,
)

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
YEAR_0 = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))
EVENT: dict[str, Any] = {
    "event_id": "e",
    "user_id": "u",
    "item_id": "i",
    "action": "click",
    "occurred_at": NOW,
}


@pytest.mark.parametrize(
    ("message_type", "fields", "named"),
    [
        (Event, EVENT | {"event_id": ""}, "`$.event_id`"),
        (Event, EVENT | {"user_id": 3}, "`$.user_id`"),
        (Event, EVENT | {"value": float("nan")}, "`value`"),
        (Event, EVENT | {"occurred_at": datetime(2026, 11, 24)}, "`$.occurred_at`"),
        (
            Event,
            EVENT | {"occurred_at": YEAR_0},
            "out of range",
        ),
        (Item, {"item_id": "i", "attributes": {"a": {"b": 1}}}, "`$.attributes"),
        (Item, {"item_id": "i", "attributes": {"a": float("inf")}}, "`a`"),
        (Item, {"item_id": "i", "vectors": {"smell": None}}, "`$.vectors"),
        (Media, {"kind": "image"}, "`uri` and `data`"),
        (Media, {"kind": "image", "uri": "u", "data": "d"}, "`uri` and `data`"),
        (CallerVector, {"encoder": "e", "values": [float("inf")]}, "`values`"),
        (CallerVector, {"encoder": "e", "values": []}, "`$.values`"),
        (RecommendationRequest, {"request_id": "r", "user_id": "u", "count": 501}, "`$.count`"),
        (RecommendationRequest, {"request_id": "r", "user_id": "u", "count": True}, "`$.count`"),
        (Range, {}, "`min` or `max`"),
    ],
)
def test_construction_refuses_and_names_the_field(
    message_type: type[msgspec.Struct], fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        message_type(**fields)
    assert named in str(caught.value)


def test_reasons_sum_to_the_score() -> None:
    def item(score: float, *contributions: float) -> RecommendedItem:
        return RecommendedItem(
            item_id="i", score=score, reasons=[Reason(kind="k", contribution=part) for part in contributions]
        )

    assert item(0.3, 0.1, 0.2).score == 0.3
    assert item(1e9, 1e9 - 500).score == 1e9  # within 1e-6 of a large score
    for score, parts in [
        (0.3, (0.1, 0.20001)),
        (1.0, ()),
        (float("nan"), (0.0,)),
        (float("inf"), (float("inf"),)),
        (1.0, (1e308, 1e308, -1e308)),
    ]:
        with pytest.raises(msgspec.ValidationError):
            item(score, *parts)


def test_times_become_utc_and_the_message_is_frozen() -> None:
    event = Event(**EVENT | {"occurred_at": NOW.astimezone(timezone(timedelta(hours=2)))})
    assert event.occurred_at.tzinfo is UTC
    assert event == Event(**EVENT)
    with pytest.raises(AttributeError):
        event.value = 1.0  # type: ignore[misc]


def test_a_rule_inside_a_nested_message_is_checked_on_decoding() -> None:
    with pytest.raises(msgspec.ValidationError, match="Media"):
        msgspec.json.decode(b'{"item_id":"i","media":[{"kind":"image"}]}', type=Item)
