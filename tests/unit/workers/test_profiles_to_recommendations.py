"""The recommend role over the in-memory state: which causes get a list, and what is on it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from models.profile import (
    Profile,
    ProfileEvent,
    TransitionSettings,
    apply_events,
    encode_profile,
    new_profile,
)
from models.ranking import ListOrder, ListResult, RankingSettings, ScoredItem
from models.ranking import Reason as RankedReason
from models.retrieval import ItemIndex
from streams.codec import decode_value, encode
from streams.errors import ModelFailedError
from streams.internal_messages import EventCause, ProfileChanged
from streams.messages import QueryAnswer, Recommendation
from streams.records import Record
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topics import DEAD_LETTERS, RECOMMENDATIONS
from tests.unit.workers.fakes import NOW, FakeDelivery, FakePublisher, now, record
from workers.list_makers import BaseLists, MadeList
from workers.list_refiner import RefinesLists
from workers.profiles_to_recommendations import Recommender
from workers.query_reader import Asked, ReadsQueries
from workers.role_metrics import RecommendMetrics
from workers.state.exposures import Exposures, ShownList, encode_exposures, exposures_key
from workers.state.memory_store import MemoryStateStore
from workers.state.profile import profile_key
from workers.state.store import MISSING, StateChange, Write, pack_version

TOPICS = TopicNames("t.")
ITEMS = 6


class HeedingLists:
    """Lists of what was not shown before, as `ListMaker` sees them."""

    wants_shown = True
    lists_at_once = 2

    def make(self, orders: Sequence[ListOrder]) -> list[MadeList]:
        return [
            MadeList(
                ListResult(
                    tuple(
                        ScoredItem(item_id, 0.0, (RankedReason("bias", 0.0),)) for item_id in order.shown_ms
                    ),
                    complete=True,
                ),
                "heeding",
            )
            for order in orders
        ]


class SlowQueries:
    """Reads `item-N` as item N's own direction, once it is let; remembers what it has read."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.space = "first"
        self.read_before: dict[str, Asked] = {}

    def known(self, query: str) -> Asked | None:
        return self.read_before.get(query)

    def switch(self) -> None:
        """From now on item N's direction is that of the item before it."""
        self.space = "second"
        self.read_before.clear()

    async def read(self, query: str) -> Asked:
        await self.let.wait()
        if query == "broken":
            raise ModelFailedError("the encoder fails on it")
        number = int(query[-1]) - (self.space == "second")
        direction = np.eye(ITEMS, dtype=np.float32)[number]
        self.read_before[query] = Asked(direction, QueryAnswer(used=True), query, self.space)
        return self.read_before[query]


class Bench:
    def __init__(
        self, queries: ReadsQueries | None = None, refiner: RefinesLists | None = None, **settings: Any
    ) -> None:
        self.store = MemoryStateStore()
        self.publisher = FakePublisher()
        index = ItemIndex(ITEMS)
        for number, row in enumerate(np.eye(ITEMS) + 0.1):
            index.upsert(
                f"item-{number}",
                row / np.linalg.norm(row),
                created_at_ms=0,
                attributes={"price": float(number)},
            )
        self.role = Recommender(
            lists=BaseLists(index, RankingSettings(), "test"),
            store=self.store,
            publisher=self.publisher,
            topics=TOPICS,
            settings=Settings(**settings),
            now=now,
            metrics=RecommendMetrics(),
            queries=queries,
            refiner=refiner,
        )

    async def feed(self, *records: Record) -> list[Recommendation]:
        deliveries = [FakeDelivery(one) for one in records]
        await self.role.process(deliveries)
        while not all(one.is_done for one in deliveries):
            await asyncio.sleep(0.001)
        return self.lists()

    def lists(self) -> list[Recommendation]:
        sent = self.publisher.on(TOPICS.recommendations)
        return [decode_value(one.value or b"", RECOMMENDATIONS) for one in sent]

    async def remember(self, profile: Profile) -> None:
        value = pack_version(profile.version) + encode_profile(profile)
        write = Write(profile_key(profile.user_id), MISSING, value)
        await self.store.commit("profile", StateChange(writes=[write]))


def profile(clicks: int, user: str = "anna") -> Profile:
    events = [
        ProfileEvent(f"e{one}", f"item-{one}", "click", round(NOW.timestamp() * 1_000))
        for one in range(clicks)
    ]
    return apply_events(new_profile(user), events, TransitionSettings())[0]


def changed(clicks: int, user: str = "anna", at: datetime = NOW) -> Record:
    after = profile(clicks, user)
    message = ProfileChanged(
        user_id=user,
        version=after.version,
        cause=EventCause(event_id=f"e{clicks - 1}", occurred_at=at, published_at=NOW),
        state=encode_profile(after),
    )
    return record(TOPICS.profiles, encode(message), key=user.encode())


def asked(**fields: Any) -> Record:
    body = {"request_id": "r", "user_id": "anna", **fields}
    return record(TOPICS.recommendation_requests, msgspec.json.encode(body), key=b"anna")


def ids(one: Recommendation) -> Sequence[str]:
    return [item.item_id for item in one.items]


async def test_an_event_gets_a_list_without_what_was_seen() -> None:
    bench = Bench()
    (made,) = await bench.feed(changed(2))
    assert (made.profile_version, made.cause.kind, made.cause.id) == (2, "event", "e1")
    assert set(ids(made)) == {"item-2", "item-3", "item-4", "item-5"}
    assert not made.complete
    assert made.shortfall
    assert await bench.store.newest_list("anna") == encode(made)


async def test_superseded_events_of_a_person_are_covered_by_the_newest() -> None:
    bench = Bench()
    made = await bench.feed(changed(1), changed(1, "ben"), changed(3), changed(2))
    assert {(one.user_id, one.profile_version) for one in made} == {("anna", 3), ("ben", 1)}


async def test_a_profile_older_than_one_seen_is_ignored() -> None:
    bench = Bench()
    await bench.feed(changed(3))
    assert len(await bench.feed(changed(2))) == 1


async def test_an_imported_event_is_silent() -> None:
    bench = Bench()
    assert await bench.feed(changed(2, at=NOW - timedelta(minutes=11))) == []


async def test_an_import_in_the_same_batch_makes_no_list_silent() -> None:
    bench = Bench()
    (made,) = await bench.feed(changed(1), changed(2, at=NOW - timedelta(days=1)))
    assert (made.profile_version, made.cause.id) == (2, "e0")


async def test_the_id_of_a_list_follows_from_its_cause() -> None:
    first, again = Bench(), Bench()
    (one,) = await first.feed(changed(2))
    (two,) = await again.feed(changed(2))
    _, other = await again.feed(asked(request_id="e1"))
    assert one.recommendation_id == two.recommendation_id != other.recommendation_id


async def test_a_request_ranks_just_its_candidates() -> None:
    bench = Bench()
    await bench.remember(profile(1))
    (made,) = await bench.feed(asked(count=2, candidates=["item-4", "item-0", "nowhere"]))
    assert set(ids(made)) == {"item-4", "item-0"}
    assert await bench.store.newest_list("anna") is None


async def test_a_list_says_whether_its_request_asked_for_words() -> None:
    bench = Bench()
    assert [one.explain for one in await bench.feed(asked(explain=True))] == [True]
    bench.publisher.take()
    assert [one.explain for one in await bench.feed(asked())] == [False]


async def test_a_filter_is_applied_before_ranking() -> None:
    bench = Bench()
    (made,) = await bench.feed(asked(count=2, filter={"price": {"min": 2, "max": 3}}))
    assert set(ids(made)) == {"item-2", "item-3"}
    assert made.complete


async def test_an_answer_waits_for_an_event_and_else_says_stale() -> None:
    bench = Bench(recommend={"after_event_wait_ms": 10_000})
    waiting = asyncio.create_task(bench.feed(asked(after_event_id="e1")))
    await asyncio.sleep(0.03)
    assert bench.lists() == []
    await bench.remember(profile(2))
    (fresh,) = await waiting
    assert (fresh.profile_version, fresh.stale) == (2, False)
    bench = Bench()
    await bench.remember(profile(2))
    (stale,) = await bench.feed(asked(request_id="r2", after_event_id="never"))
    assert (stale.profile_version, stale.stale) == (2, True)


async def test_lists_that_heed_what_was_shown_are_told_by_the_exposure_log() -> None:
    bench = Bench()
    bench.role._making._lists = HeedingLists()
    shown = ShownList("list-1", 5_000_000, 5_000, "m", None, None, ("item-1", "item-4"))
    value = encode_exposures(Exposures("anna", 1, (shown,)))
    write = Write(exposures_key("anna"), MISSING, value)
    await bench.store.commit("join", StateChange(writes=[write]))
    made, other = await bench.feed(
        asked(),
        record(
            TOPICS.recommendation_requests,
            msgspec.json.encode({"request_id": "r2", "user_id": "ben"}),
            key=b"ben",
        ),
    )
    assert [item.item_id for item in made.items] == ["item-1", "item-4"]
    assert other.items == []


async def test_a_defect_while_answering_a_request_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    bench = Bench()
    monkeypatch.setattr("workers.list_makers.make_lists", broken)
    with pytest.raises(ZeroDivisionError):
        await bench.feed(asked(), asked(request_id="r2"))
    assert bench.publisher.published == []
    (made,) = await bench.feed(asked())
    assert (made.items, made.complete, made.cause.id) == ([], False, "r")
    assert "cannot be answered" in (made.shortfall or "")
    (letter,) = bench.publisher.on(TOPICS.dead_letters)
    assert decode_value(letter.value or b"", DEAD_LETTERS).reason == "model_failed"


async def test_a_defect_while_waiting_for_an_event_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    bench = Bench()
    monkeypatch.setattr("workers.list_makers.make_lists", broken)
    (made,) = await asyncio.wait_for(bench.feed(asked(after_event_id="never")), 60)
    assert (made.items, made.complete) == ([], False)
    assert "cannot be answered" in (made.shortfall or "")
    (letter,) = bench.publisher.on(TOPICS.dead_letters)
    assert decode_value(letter.value or b"", DEAD_LETTERS).reason == "model_failed"


async def test_a_request_past_its_deadline_is_refused_with_an_answer() -> None:
    bench = Bench()
    await bench.remember(profile(2))
    (made,) = await bench.feed(asked(deadline=(NOW - timedelta(seconds=1)).isoformat()))
    assert (made.items, made.complete, made.profile_version) == ([], False, 2)
    assert "deadline" in (made.shortfall or "")
    (letter,) = bench.publisher.on(TOPICS.dead_letters)
    assert decode_value(letter.value or b"", DEAD_LETTERS).reason == "invalid"


async def test_a_request_for_a_million_items_is_refused_with_an_answer() -> None:
    bench = Bench()
    (made,) = await bench.feed(asked(count=10**6))
    assert (made.items, made.complete, made.cause.id) == ([], False, "r")
    assert "500" in (made.shortfall or "")


async def test_a_broken_request_is_a_dead_letter_and_stops_nothing() -> None:
    bench = Bench()
    broken = record(TOPICS.recommendation_requests, b"{", key=b"anna")
    (made,) = await bench.feed(broken, asked())
    assert made.cause.id == "r"
    assert len(bench.publisher.on(TOPICS.dead_letters)) == 1


async def test_a_short_list_for_one_corner_of_a_page_is_not_the_persons_newest() -> None:
    bench = Bench()
    await bench.feed(asked(count=1))
    assert await bench.store.newest_list("anna") is None
    (_, plain) = await bench.feed(asked(request_id="r2"))
    assert await bench.store.newest_list("anna") == encode(plain)


async def test_a_request_in_words_gets_what_it_asks_for_and_holds_nobody_up() -> None:
    queries = SlowQueries()
    bench = Bench(queries)
    waiting = FakeDelivery(asked(query="item-4", count=2))
    await bench.role.process([waiting])
    (plain,) = await bench.feed(asked(request_id="plain"))
    assert plain.cause.id == "plain"
    assert plain.query is None
    assert not waiting.is_done
    queries.let.set()
    while not waiting.is_done:
        await asyncio.sleep(0.001)
    listed = bench.lists()[-1]
    assert listed.cause.id == "r"
    assert ids(listed)[0] == "item-4"
    assert listed.query == QueryAnswer(used=True)
    assert "query" in {reason.kind for reason in listed.items[0].reasons}
    # Read before, it is answered at once; and a list for one question is nobody's newest list.
    queries.let.clear()
    again = FakeDelivery(asked(request_id="again", query="item-4"))
    await bench.role.process([again])
    assert again.is_done
    assert await bench.store.newest_list("anna") == encode(plain)


async def test_words_read_into_another_space_are_read_anew_before_the_list_is_made() -> None:
    queries = SlowQueries()
    queries.let.set()
    bench = Bench(queries)
    await queries.read("item-4")
    load = bench.store.load

    async def load_while_another_model_comes(keys: Sequence[str]) -> list[bytes | None]:
        # The switch falls between the reading of the words and the list.
        if keys[0].startswith("exposures") and queries.space == "first":
            queries.switch()
        return await load(keys)

    bench.store.load = load_while_another_model_comes  # type: ignore[method-assign]
    bench.role._making._lists.wants_shown = True  # type: ignore[misc]
    (listed,) = await bench.feed(asked(query="item-4", count=1))
    assert queries.space == "second"
    assert ids(listed) == ["item-3"]


async def test_a_filter_holds_for_what_is_asked_in_words() -> None:
    queries = SlowQueries()
    queries.let.set()
    listed = (
        await Bench(queries).feed(
            asked(
                query="item-4",
                filter={"price": {"max": 3}},
                exclude=["item-3"],
                candidates=["item-1", "item-4"],
            )
        )
    )[-1]
    assert ids(listed) == ["item-1"]


async def test_words_on_which_the_encoder_fails_are_answered_with_a_dead_letter() -> None:
    queries = SlowQueries()
    queries.let.set()
    bench = Bench(queries)
    (refused,) = await bench.feed(asked(query="broken"))
    assert ids(refused) == []
    (letter,) = bench.publisher.on(TOPICS.dead_letters)
    assert decode_value(letter.value or b"", DEAD_LETTERS).reason == "model_failed"


async def test_where_asking_in_words_is_off_the_list_says_so() -> None:
    (listed,) = await Bench().feed(asked(query="item-4"))
    assert listed.query is not None
    assert not listed.query.used
    assert ids(listed)
