"""Which outcomes must be there, and the newest of the item vectors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec

from streams.codec import encode
from streams.internal_messages import ItemVector, ItemVersion
from tests.faults.item_vectors import ItemVectors
from tests.faults.reading import in_time
from tests.faults.reference_outcomes import LiveEvent, Outcomes, ShownList, expected_outcomes
from workers.feature_records import VERSION_HEADER

NOW = datetime(2026, 11, 1, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1_000)


def shown(*item_ids: str, user_id: str = "anna", after_s: float = 0.0) -> ShownList:
    return ShownList(user_id, NOW + timedelta(seconds=after_s), NOW_MS + round(after_s * 1_000), item_ids)


def event(recommendation_id: str | None, item_id: str = "i", after_s: float = 5.0) -> LiveEvent:
    at_ms = NOW_MS + round(after_s * 1_000)
    return LiveEvent(
        "e", "anna", item_id, "click", NOW + timedelta(seconds=after_s), at_ms, recommendation_id
    )


def expected(lists: dict[str, ShownList], *events: LiveEvent, kept: int = 20) -> tuple[Outcomes, Outcomes]:
    return expected_outcomes(lists, events, window=timedelta(hours=1), lists_per_user=kept)


def test_records_are_in_time_and_those_of_a_partition_in_their_order() -> None:
    def record(partition: int, timestamp: int) -> Any:
        return SimpleNamespace(partition=partition, timestamp=timestamp)

    records = [record(0, 10), record(0, 30), record(0, 5), record(1, 20), record(1, 40)]
    assert [(one.partition, one.timestamp) for one in in_time(records)] == [
        (0, 10),
        (1, 20),
        (0, 30),
        (0, 5),
        (1, 40),
    ]


def test_an_event_that_names_its_list_must_have_an_outcome() -> None:
    assert expected({"r": shown("h", "i")}, event("r")) == ({("r", "e"): ("anna", "i", 2, "click")}, {})


def test_not_where_the_list_is_another_s_or_lacks_the_item_or_is_old() -> None:
    nothing: tuple[Outcomes, Outcomes] = ({}, {})
    assert expected({"r": shown("i", user_id="bert")}, event("r")) == nothing
    assert expected({"r": shown("h")}, event("r")) == nothing
    assert expected({"r": shown("i")}, event("r", after_s=3_601)) == nothing
    assert expected({}, event("r")) == nothing


def test_an_event_may_miss_a_list_that_many_have_followed() -> None:
    lists = {"r": shown("i"), **{f"n{n}": shown("h", after_s=1.0 + n) for n in range(3)}}
    assert expected(lists, event("r"), kept=4)[0].keys() == {("r", "e")}
    must, may = expected(lists, event("r"), kept=3)
    assert (must, may.keys()) == ({}, {("r", "e")})


def test_one_that_names_none_may_have_any_that_held_the_item_by_then() -> None:
    lists = {"a": shown("i"), "b": shown("i", after_s=1.0), "c": shown("h"), "d": shown("i", after_s=9.0)}
    must, may = expected(lists, event(None))
    assert (must, may.keys()) == ({}, {("a", "e"), ("b", "e")})


def vector(offset: int, revision: int, **more: Any) -> tuple[str, bytes, dict[str, bytes]]:
    fields = {"vector": None, "modalities": [], "created_at": NOW, **more}
    return (
        "i",
        encode(
            ItemVector(item_id="i", version=ItemVersion(1, 0, offset, offset), revision=revision, **fields)
        ),
        {},
    )


def gone(offset: int) -> tuple[str, None, dict[str, bytes]]:
    return "i", None, {VERSION_HEADER: msgspec.msgpack.encode(ItemVersion(1, 0, offset, offset))}


def test_what_is_published_late_is_not_the_newest() -> None:
    vectors = ItemVectors()
    for record in (vector(1, 10), vector(1, 12, title="newest"), vector(1, 11), vector(1, 10)):
        vectors.take(*record)
    assert vectors.held["i"].title == "newest"
    for record in (gone(2), vector(1, 13)):  # type: ignore[assignment]
        vectors.take(*record)
    assert vectors.held["i"] is None
    for record in (vector(3, 14, title="back"), gone(2)):  # type: ignore[assignment]
        vectors.take(*record)
    assert vectors.held["i"].title == "back"
    assert not vectors.differing


def test_two_records_of_a_revision_that_differ_are_seen() -> None:
    vectors = ItemVectors()
    vectors.take(*vector(1, 10, title="one"))
    vectors.take(*vector(1, 10, title="another"))
    assert vectors.differing == {"i"}
