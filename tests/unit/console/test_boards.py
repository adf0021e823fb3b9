"""What the console holds of items, people and lists: bounded, current, and only for those who look."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest

from models.profile import (
    ActionRule,
    ProfileEvent,
    TasteSettings,
    TransitionSettings,
    apply_events,
    encode_profile,
    new_profile,
)
from streams.internal_messages import EventCause, ItemVector, ItemVersion, ProfileChanged
from streams.messages import (
    Cause,
    ExplainedItem,
    Explanation,
    Item,
    Media,
    QueryAnswer,
    Reason,
    Recommendation,
    RecommendedItem,
)
from tests.unit.console.parts import record
from workers.console.catalogue import ConsoleCatalogue
from workers.console.hub import Hub, user_channel
from workers.console.live_lists import LiveLists
from workers.console.people import People, shown_history
from workers.console.vector_board import VectorBoard

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def vector(item_id: str, values: list[float], offset: int = 0, revision: int = 1) -> ItemVector:
    unit = np.array(values) / np.linalg.norm(values)
    return ItemVector(
        item_id=item_id,
        version=ItemVersion(1, 0, offset, 0),
        revision=revision,
        vector=unit.astype("<f2").tobytes(),
        modalities=["text"],
        created_at=NOW,
    )


def test_a_board_keeps_the_newest_vectors_within_its_bound() -> None:
    board = VectorBoard(3, 2)
    for number in range(5):
        assert board.put(vector(f"i{number}", [1, number]))
    assert sorted(board.points()["item_ids"]) == ["i2", "i3", "i4"]
    assert not board.put(vector("i4", [0, 1], revision=1))
    assert board.put(vector("i4", [0, 1], revision=2))
    assert board.nearest_to("i4", 1)[0][0] == "i3"
    board.take([record("i3", None)])
    assert len(board) == 2


def test_a_vector_of_another_space_costs_itself_alone() -> None:
    board = VectorBoard(3, 2)
    board.take([record("i0", vector("i0", [1, 0, 0])), record("i1", vector("i1", [1, 0]))])
    assert board.points()["item_ids"] == ["i1"]


def profile_of(user_id: str, *item_ids: str) -> Any:
    settings = TransitionSettings(history_items=10, actions={"like": ActionRule(weight=2.0)})
    events = [ProfileEvent(f"e{n}", item_id, "like", 1_000 * n) for n, item_id in enumerate(item_ids)]
    return apply_events(new_profile(user_id), events, settings)[0]


def changed(user_id: str, version: int, *item_ids: str) -> ProfileChanged:
    return ProfileChanged(
        user_id=user_id,
        version=version,
        cause=EventCause(event_id="e", occurred_at=NOW, published_at=NOW),
        state=encode_profile(profile_of(user_id, *item_ids)),
    )


def test_a_person_is_where_their_taste_points() -> None:
    board = VectorBoard(10, 2)
    for number, values in enumerate(([1, 0], [0.9, 0.1], [0, 1], [-1, 0.2])):
        board.put(vector(f"i{number}", values))
    view = board.person(profile_of("anna", "i0"), 10_000, TasteSettings(), ["i3"])
    assert view is not None
    assert view.nearest[:2] == ["i0", "i1"]
    assert view.likeness["i0"] == pytest.approx(1.0, abs=1e-3)
    assert view.likeness["i3"] < 0
    assert view.point == pytest.approx(board.point_of("i0"), abs=1e-2)
    assert board.person(new_profile("bob"), 10_000, TasteSettings()) is None


def test_people_are_bounded_and_an_older_profile_changes_nothing() -> None:
    told: list[str] = []
    people = People(2, told.append)
    people.take([record(user, changed(user, 1, "a")) for user in ("anna", "bob", "cem")])
    assert [one["user_id"] for one in people.newest(5)] == ["cem", "bob"]
    people.take([record("bob", changed("bob", 2, "a", "b"))])
    people.take([record("bob", changed("bob", 1, "a"))])
    assert [one["item_id"] for one in shown_history(people.profile("bob"))] == ["b", "a"]
    assert told == ["anna", "bob", "cem", "bob"]
    assert people.profile("anna").version == 0
    people.take([record("bob", None)])
    assert people.profile("bob").version == 0


def made(user_id: str, cause_id: str) -> Recommendation:
    return Recommendation(
        recommendation_id=f"r-{cause_id}",
        user_id=user_id,
        profile_version=1,
        cause=Cause(kind="event", id=cause_id),
        items=[
            RecommendedItem(
                item_id="boots",
                score=1.0,
                reasons=[Reason(kind="similar_item", contribution=1.0, item_id="hat", action="like")],
            )
        ],
        model="m",
        generated_at=NOW,
        complete=True,
    )


async def test_a_list_comes_with_its_latency_and_what_its_items_look_like() -> None:
    hub, catalogue, clock = Hub(4, 16), ConsoleCatalogue(10, 1_000), [5.0]
    catalogue.take([record("hat", Item(item_id="hat", title="A hat"))])
    lists = LiveLists(hub, catalogue, lambda: clock[0])
    with hub.subscribed([user_channel("anna")]) as subscription:
        lists.published("e-1")
        clock[0] = 5.025
        lists.take_lists([record("bob", made("bob", "e-2")), record("anna", made("anna", "e-1"))])
        words = Explanation(
            recommendation_id="r-e-1",
            user_id="anna",
            items=[ExplainedItem(item_id="boots", text="As you liked a hat.")],
            language="en",
            generator="g",
            grounded=True,
            generated_at=NOW,
        )
        lists.take_words([record("anna", words)])
        messages = subscription.messages()
        async with asyncio.timeout(60):
            first, second = await anext(messages), await anext(messages)
    assert first.startswith(b"event: list\n")
    assert b'"latency_ms":25.0' in first
    assert b'"title":"A hat"' in first
    assert b"As you liked a hat." in second


def test_inline_media_are_bounded_in_bytes() -> None:
    catalogue = ConsoleCatalogue(10, 100)
    for name in ("one", "two"):
        media = [Media(kind="image", data="A" * 60)]
        catalogue.take([record(name, Item(item_id=name, media=media))])
    assert catalogue.media("one", 0, "0-0") is None
    held = catalogue.media("two", 0, "0-0")
    assert held is not None
    assert held.data == "A" * 60


async def test_the_answer_to_words_says_which_and_what_became_of_them() -> None:
    hub = Hub(4, 16)
    lists = LiveLists(hub, ConsoleCatalogue(10, 1_000_000), lambda: 0.0)
    answer = QueryAnswer(used=True, negations="unsupported", detail="no")
    lists.published("own", "piano, no vocals")
    with hub.subscribed([user_channel("anna")]) as page:
        for cause, query in (("own", answer), ("elsewhere", answer), ("plain", None)):
            lists.take_lists([record("anna", msgspec.structs.replace(made("anna", cause), query=query))])
        messages = page.messages()
        async with asyncio.timeout(60):
            shown = [msgspec.json.decode((await anext(messages)).partition(b"data: ")[2]) for _ in range(3)]
    assert [one["asked"] for one in shown] == ["piano, no vocals", None, ""]
    assert shown[0]["query"] == {"used": True, "negations": "unsupported", "detail": "no"}


def test_the_newest_list_of_each_person_is_held_for_the_next_page() -> None:
    people: list[str] = []
    lists = LiveLists(Hub(4, 16), ConsoleCatalogue(10, 1_000_000), lambda: 0.0, max_held=2)
    lists.published("e-2")
    for user_id, cause in (("anna", "e-1"), ("bob", "e-9"), ("anna", "e-2"), ("cleo", "e-8")):
        lists.take_lists([record(user_id, made(user_id, cause))])
    assert lists.newest("bob") is None
    held = lists.newest("anna")
    assert held is not None
    # It waited for the page: how long is not how long it took.
    assert (held["cause"]["id"], held["latency_ms"], held["asked"]) == ("e-2", None, "")
    assert not lists.latencies_ms
    board = People(10, people.append, lists.forget)
    board.take([record("anna", None)])
    assert lists.newest("anna") is None
    assert lists.newest("cleo") is not None


async def test_an_answer_to_words_is_not_held_as_the_persons_list() -> None:
    hub = Hub(4, 16)
    lists = LiveLists(hub, ConsoleCatalogue(10, 1_000_000), lambda: 0.0, max_held=9)
    in_words = msgspec.structs.replace(made("anna", "q-1"), query=QueryAnswer(used=True))
    with hub.subscribed([user_channel("anna")]):
        lists.take_lists([record("anna", made("anna", "e-1")), record("anna", in_words)])
        held = lists.newest("anna")
    assert held is not None
    assert held["cause"]["id"] == "e-1"
    lists.take_lists([record("anna", in_words)])
    assert lists.newest("anna") is None
    lists.take_lists([record("anna", made("anna", "e-2")), record("bob", None)])
    assert lists.newest("bob") is None


def test_lists_held_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    value = record("anna", made("anna", "e-1")).value
    monkeypatch.setattr("workers.console.live_lists.HELD_LIST_BYTES", 2 * len(value))
    lists = LiveLists(Hub(4, 16), ConsoleCatalogue(10, 1_000_000), lambda: 0.0, max_held=9)
    for user_id in ("anna", "bobb", "cleo"):
        lists.take_lists([record(user_id, made(user_id, "e-1"))])
    assert [lists.newest(one) is not None for one in ("anna", "bobb", "cleo")] == [False, True, True]
