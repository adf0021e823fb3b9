"""Every field of a request, on real roles: each request gets exactly one answer."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.stream.bench import event, item_ids, request
from tests.integration.stream.stack import Json, Stack, contribution

COLOURS = ("red", "green", "blue")
TOPICS = {
    "jazz": "A saxophone and piano play jazz, number {}",
    "garden": "Tomatoes and roses in the garden, number {}",
}
PER_TOPIC = 6


@dataclass(frozen=True)
class Catalogue:
    """Twelve text items that share a tag, on two topics, in three colours, at prices from 0 to 11."""

    stack: Stack
    tag: str

    def ids(self, topic: str) -> list[str]:
        return [f"{self.tag}-{topic}-{number}" for number in range(PER_TOPIC)]

    @property
    def all_ids(self) -> list[str]:
        return [item_id for topic in TOPICS for item_id in self.ids(topic)]

    def ask(self, user_id: str, **fields: Any) -> Json:
        return self.stack.ask(user_id, **{"filter": {"tag": self.tag}} | fields)

    def filtered(self, **attributes: Any) -> Json:
        return self.stack.ask(f"{self.tag}-asks", filter={"tag": self.tag, **attributes})

    def act(self, user_id: str, item_id: str, action: str = "like", **fields: Any) -> str:
        """An event, once it is applied; its id."""
        event_id = f"e-{secrets.token_hex(6)}"
        self.stack.publish("events", event(user_id, event_id, item_id, action=action, **fields), user_id)
        answer = self.ask(user_id, after_event_id=event_id, count=1)
        assert not answer.get("stale", False)
        return event_id


@pytest.fixture(scope="module")
def catalogue(stack: Stack) -> Catalogue:
    made = Catalogue(stack, f"x{secrets.token_hex(4)}")
    for price, item_id in enumerate(made.all_ids):
        topic, number = item_id.split("-")[1:]
        attributes = {
            "tag": made.tag,
            "topic": topic,
            "price": price,
            "colour": COLOURS[price % 3],
            "labels": [topic, "even" if price % 2 == 0 else "odd"],
        }
        stack.publish_item(item_id, title=TOPICS[topic].format(number), attributes=attributes)
    stack.await_listed(made.tag, *made.all_ids)
    return made


@pytest.fixture
def user(tag: str) -> str:
    return f"{tag}-user"


@pytest.fixture(autouse=True)
def one_answer_each(stack: Stack, user: str) -> Iterator[None]:
    """Whatever a test asks for its user: no request gets a second answer."""
    yield
    stack.lists.read_to_end()
    causes = [one["cause"]["id"] for one in stack.lists.values(lambda one: one["user_id"] == user)]
    assert len(causes) == len(set(causes))


def test_count(catalogue: Catalogue, user: str) -> None:
    answer = catalogue.ask(user, count=5)
    assert len(answer["items"]) == 5
    assert answer["complete"]
    assert len(catalogue.ask(user, count=1)["items"]) == 1


def test_a_stranger_gets_what_is_popular_and_new(catalogue: Catalogue, user: str) -> None:
    favourite = catalogue.ids("garden")[4]
    for number in range(3):
        catalogue.act(f"{user}-other-{number}", favourite, "purchase")

    def leads_by_popularity(answer: Json) -> bool:
        # Its age alone may put it first before the counters are read again.
        first = answer["items"][0]
        return first["item_id"] == favourite and contribution(first, "popularity") > 0

    answer = catalogue.stack.await_answer(leads_by_popularity, user, filter={"tag": catalogue.tag}, count=12)
    assert answer["profile_version"] == 0
    kinds = {reason["kind"] for one in answer["items"] for reason in one["reasons"]}
    assert kinds <= {"popularity", "freshness", "bias"}
    assert "freshness" in kinds


def test_seed_items(catalogue: Catalogue, user: str) -> None:
    catalogue.act(user, catalogue.ids("garden")[0])
    seed, *similar = catalogue.ids("jazz")
    answer = catalogue.ask(user, seed_items=[seed], count=5)
    assert set(item_ids(answer)) == set(similar)
    assert all(contribution(one, "seed_item", seed) > 0 for one in answer["items"])
    # Without the seed the same person's taste decides.
    assert set(item_ids(catalogue.ask(user, count=5))) == set(catalogue.ids("garden")[1:])


def test_asking_in_words(catalogue: Catalogue, user: str) -> None:
    catalogue.act(user, catalogue.ids("garden")[0])
    answer = catalogue.ask(user, query="somebody plays the saxophone", count=PER_TOPIC)
    assert set(item_ids(answer)) == set(catalogue.ids("jazz"))
    assert answer["query"] == {"used": True}
    assert all(contribution(one, "query") > 0 for one in answer["items"])
    # A stranger's first profile, within a filter.
    red = catalogue.stack.ask(
        f"{user}-stranger",
        query="roses, no tomatoes",
        filter={"tag": catalogue.tag, "colour": "red"},
        count=2,
    )
    assert set(item_ids(red)) == {
        one for at, one in enumerate(catalogue.all_ids) if at % 3 == 0 and at >= PER_TOPIC
    }
    assert red["query"]["negations"] == "unsupported"


def test_after_a_fresh_event(catalogue: Catalogue, user: str) -> None:
    item_id, event_id = catalogue.ids("jazz")[0], f"{user}-click"
    catalogue.stack.publish("events", event(user, event_id, item_id), user)
    answer = catalogue.ask(user, after_event_id=event_id)
    assert answer["profile_version"] == 1
    assert not answer.get("stale", False)
    assert item_id not in item_ids(answer)


def test_after_an_event_that_does_not_come(catalogue: Catalogue, user: str) -> None:
    answer = catalogue.ask(user, after_event_id=f"{user}-never", count=4)
    assert answer["stale"] is True
    assert len(answer["items"]) == 4


def test_a_request_that_waits_holds_up_no_other(catalogue: Catalogue, user: str) -> None:
    waiting = f"{user}-waits"
    stack = catalogue.stack
    stack.publish("recommendation-requests", request(user, waiting, after_event_id=f"{user}-never"), user)
    answer = catalogue.ask(user, count=2)
    assert len(answer["items"]) == 2
    stack.answer(waiting)
    answered = [one["cause"]["id"] for one in stack.lists.values(lambda one: one["user_id"] == user)]
    assert answered == [answer["cause"]["id"], waiting]


def test_a_deadline(catalogue: Catalogue, user: str) -> None:
    now = datetime.now(UTC)
    request_id = f"{user}-late"
    position = catalogue.stack.publish(
        "recommendation-requests",
        request(user, request_id, deadline=(now - timedelta(seconds=1)).isoformat()),
        user,
    )
    answer = catalogue.stack.answer(request_id)
    assert (answer["items"], answer["complete"]) == ([], False)
    assert "deadline" in answer["shortfall"]
    letter = catalogue.stack.letter("recommendation-requests", position)
    assert (letter["reason"], letter["stage"]) == ("invalid", "recommend")
    assert "deadline" in letter["detail"]
    assert catalogue.ask(user, count=3, deadline=(now + timedelta(minutes=5)).isoformat())["complete"]


def test_candidates_alone_are_ranked(catalogue: Catalogue, user: str) -> None:
    liked = catalogue.ids("jazz")[0]
    catalogue.act(user, liked)
    candidates = [catalogue.ids("garden")[0], catalogue.ids("jazz")[3], liked, f"{user}-unknown"]
    answer = catalogue.stack.ask(user, candidates=candidates, count=4)
    # Also one that was seen: who names it wants it ranked.
    assert set(item_ids(answer)) == set(candidates[:3])
    assert item_ids(answer)[-1] == candidates[0]
    assert not answer["complete"]
    assert "unknown candidates: 1" in answer["shortfall"]
    assert catalogue.stack.ask(user, candidates=[])["items"] == []


def test_exclude_and_seen_items_are_left_out(catalogue: Catalogue, user: str) -> None:
    seen, excluded = catalogue.ids("jazz")[0], catalogue.ids("jazz")[1:3]
    catalogue.act(user, seen, "click")
    answer = catalogue.ask(user, exclude=excluded, count=12)
    assert set(item_ids(answer)) == set(catalogue.all_ids) - {seen, *excluded}
    assert not answer["complete"]
    for words in ("12 asked for, 9 served", "excluded: 2", "already seen: 1"):
        assert words in answer["shortfall"]


def test_a_filter_leaves_a_full_list(catalogue: Catalogue, user: str) -> None:
    by_price = dict(enumerate(catalogue.all_ids))
    catalogue.act(user, catalogue.ids("jazz")[5])
    # What matches is the opposite of the taste: it would not be near the top without the filter.
    answer = catalogue.ask(user, filter={"tag": catalogue.tag, "topic": "garden"}, count=6)
    assert answer["complete"]
    assert set(item_ids(answer)) == set(catalogue.ids("garden"))
    for condition, prices in (
        ({"colour": "red"}, {0, 3, 6, 9}),
        ({"colour": ["red", "blue"]}, {0, 2, 3, 5, 6, 8, 9, 11}),
        ({"price": {"min": 2, "max": 4}}, {2, 3, 4}),
        ({"price": {"min": 10.5}}, {11}),
        ({"price": 7}, {7}),
        ({"labels": "even"}, {0, 2, 4, 6, 8, 10}),
        ({"labels": "even", "price": {"max": 5}, "colour": ["red", "green"]}, {0, 4}),
        ({"no-such": "attribute"}, set()),
    ):
        assert set(item_ids(catalogue.filtered(**condition))) == {by_price[one] for one in prices}, condition


def test_shortfall_says_why(catalogue: Catalogue, user: str) -> None:
    answer = catalogue.ask(user, filter={"tag": catalogue.tag, "price": {"min": 9}}, count=20)
    assert not answer["complete"]
    assert "20 asked for, 3 served" in answer["shortfall"]
    assert "the filter leaves 3 items" in answer["shortfall"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"count": 10**6}, "count"),
        ({"count": 501}, "count"),
        ({"count": 0}, "count"),
        ({"count": "many"}, "count"),
        ({"filter": {"price": {"above": 3}}}, "filter"),
        ({"deadline": "tomorrow"}, "deadline"),
        ({"seed_items": ["x"] * 101}, "seed_items"),
    ],
)
def test_an_invalid_request_gets_an_answer_and_a_dead_letter(
    catalogue: Catalogue, user: str, fields: Json, named: str
) -> None:
    request_id = f"{user}-wrong"
    position = catalogue.stack.publish("recommendation-requests", request(user, request_id, **fields), user)
    answer = catalogue.stack.answer(request_id)
    assert (answer["items"], answer["complete"], answer["user_id"]) == ([], False, user)
    assert named in answer["shortfall"]
    letter = catalogue.stack.letter("recommendation-requests", position)
    assert (letter["reason"], letter["stage"]) == ("invalid", "recommend")
    assert named in letter["detail"]
    assert catalogue.ask(user, count=2)["complete"]


def test_five_hundred_are_served_as_far_as_there_are_any(catalogue: Catalogue, user: str) -> None:
    answer = catalogue.ask(user, count=500)
    assert len(answer["items"]) == 12
    assert "500 asked for, 12 served" in answer["shortfall"]


def test_reasons_sum_to_the_score(catalogue: Catalogue, user: str) -> None:
    for item_id, action in ((0, "like"), (1, "dislike"), (2, "view"), (3, "purchase"), (4, "skip")):
        catalogue.act(user, catalogue.ids("jazz")[item_id], action)
    catalogue.act(user, catalogue.ids("garden")[0], "play", value=0.7)
    answer = catalogue.ask(user, count=12)
    assert answer["profile_version"] == 6
    for item in answer["items"]:
        total = math.fsum(reason["contribution"] for reason in item["reasons"])
        assert abs(total - item["score"]) <= 1e-6 * max(1.0, abs(item["score"]))
    # What is only viewed may be recommended; what was bought, liked, disliked or skipped may not.
    shown = set(item_ids(answer))
    assert catalogue.ids("jazz")[2] in shown
    assert not shown & {catalogue.ids("jazz")[number] for number in (0, 1, 3, 4)}


def test_the_newest_list_lies_in_redis(catalogue: Catalogue, user: str) -> None:
    stack = catalogue.stack
    _await_newest(stack, user, stack.ask(user))
    event_id = f"{user}-click"
    stack.publish("events", event(user, event_id, catalogue.ids("jazz")[0]), user)
    after = stack.answer(event_id)
    _await_newest(stack, user, after)
    key = f"{stack.stream.prefix}list:{user}"
    assert stack.stream.redis.hget(key, "profile_version") == b"1"
    assert stack.stream.redis.ttl(key) > 0
    # A list for one purpose is not the person's page. Once a later one is in Redis, so would this one be.
    stack.ask(user, candidates=catalogue.ids("garden"))
    _await_newest(stack, f"{user}-2", stack.ask(f"{user}-2"))
    assert _newest(stack, user) == after


def _newest(stack: Stack, user_id: str) -> Json:
    """What the guide says where to find: field `list` of the hash `PREFIXlist:USER`."""
    stored = stack.stream.redis.hget(f"{stack.stream.prefix}list:{user_id}", "list")
    found: Json = json.loads(stored or b"null")
    return found


def _await_newest(stack: Stack, user_id: str, wanted: Json) -> None:
    stack.lists.wait_until(lambda: _newest(stack, user_id) == wanted)
