"""The cascade on the real stream: what others do reaches a list, also after a restart; one writer learns."""

from __future__ import annotations

import itertools
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.internal_messages import LearnedPart
from tests.conftest import KafkaServer, RedisServer
from tests.integration.stream.bench import Stream, caused_by, event, item_ids, request
from tests.integration.stream.tail import Tail

ROLES = ("text", "fuse", "profile", "recommend", "learn")
TOPICS_OF_ITEMS = ("garden", "kitchen", "music", "sports", "travel")
TITLES = {
    f"{topic}-{number}": f"{topic} thing number {number}" for topic in TOPICS_OF_ITEMS for number in range(8)
}
_decoder = msgspec.msgpack.Decoder(LearnedPart)


class Shop:
    """A small catalogue whose people act, and what is listed and learned."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        servers, names = stream.settings.kafka.bootstrap_servers, stream.names
        self.lists: Tail[dict[str, Any]] = Tail(servers, names.recommendations, json.loads)
        self.learned: Tail[LearnedPart] = Tail(servers, names.learned, _decoder.decode)
        for item_id, title in TITLES.items():
            stream.publish("items", {"item_id": item_id, "title": title}, item_id).get(120)

    def act(self, user_id: str, *items: str) -> None:
        """Clicks, one after the other."""
        for item_id in items:
            event_id = f"e-{secrets.token_hex(6)}"
            self.stream.publish("events", event(user_id, event_id, item_id), user_id).get(120)

    def ask(self, user_id: str, **fields: Any) -> dict[str, Any]:
        """A request's answer."""
        request_id = f"r-{secrets.token_hex(6)}"
        asked = request(user_id, request_id, **fields)
        self.stream.publish("recommendation-requests", asked, user_id).get(120)
        return self.lists.wait_until(lambda: caused_by(self.lists.values(lambda one: True), request_id), 120)

    def await_list(self, user_id: str, condition: Any, **fields: Any) -> dict[str, Any]:
        """Ask until the answer is as it should be."""
        deadline = time.monotonic() + 180
        while not condition(answer := self.ask(user_id, **fields)):
            assert time.monotonic() < deadline, answer
            time.sleep(0.2)
        return answer

    def writers(self) -> list[tuple[int, int]]:
        """(epoch, step) of each publication of the ranker, in order."""
        self.learned.read_to_end()
        parts = self.learned.values(lambda part: part.model == "ranker" and part.part == 0)
        return [(part.epoch, part.step) for part in parts]


@pytest.fixture
def shop(kafka: KafkaServer, redis_server: RedisServer, topic_prefix: str, tmp_path: Path) -> Iterator[Shop]:
    with Stream(
        kafka.bootstrap_servers,
        redis_server.url,
        topic_prefix,
        tmp_path,
        # Not long, as writers are killed; not short, or one that waits for a busy machine is none any more.
        kafka={"session_timeout_s": 12.0, "heartbeat_interval_s": 2.0},
        recommend={"ranker": "cascade", "popularity_refresh_s": 0.2},
        # So few people are to teach it something.
        learn={
            "publish_events": 5,
            "publish_s": 0.5,
            "prior_curvature": 1.0,
            "warm_up_events": 0,
            "batch_events": 1,
        },
    ) as stream:
        shop = Shop(stream)
        stream.start(*ROLES)
        yield shop
        shop.lists.close()
        shop.learned.close()


def reasons(answer: dict[str, Any], item_id: str) -> dict[str, float]:
    """Kind of reason → what it adds, for an item of a list; empty where it is not listed."""
    found = [one for one in answer["items"] if one["item_id"] == item_id]
    return {why["kind"]: why["contribution"] for one in found for why in one["reasons"]}


def test_what_people_do_together_reaches_a_stranger_s_list_and_survives_a_restart(shop: Shop) -> None:
    shop.await_list("nobody", lambda answer: len(answer["items"]) == 20)
    # Nothing in their words says that these two go together: only people do.
    for number in range(12):
        shop.act(f"person-{number}", "garden-1", "music-1")
    shop.act("anna", "garden-1")

    def knows(answer: dict[str, Any]) -> bool:
        return reasons(answer, "music-1").get("covisitation", 0.0) > 0

    before = shop.await_list("anna", knows)
    assert "garden-1" not in item_ids(before)
    assert before["model"].startswith("cascade.")
    for item in before["items"]:
        total = sum(why["contribution"] for why in item["reasons"])
        assert total == pytest.approx(item["score"], abs=1e-6 * max(1.0, abs(item["score"])))
    (worker,) = shop.stream.processes["recommend"]
    shop.stream.kill(worker)
    shop.stream.start("recommend")
    after = shop.await_list("anna", knows)
    assert set(item_ids(after)[:3]) & set(item_ids(before)[:3])


def test_one_writer_learns_and_a_successor_goes_on(shop: Shop) -> None:
    shop.await_list("nobody", lambda answer: len(answer["items"]) == 20)
    shop.stream.start("learn")
    numbers = itertools.count()

    def act_until_steps(steps: int) -> None:
        deadline = time.monotonic() + 180
        while not (found := shop.writers()) or found[-1][1] < steps:
            assert time.monotonic() < deadline, (found[-3:], shop.stream.log_of("learn")[-3_000:])
            number = next(numbers)
            # Always what somebody has not chosen yet: from anything else nothing is to be learned.
            shop.act(f"person-{number // 8}", f"garden-{number % 8}", f"music-{(number + 3) % 8}")

    act_until_steps(10)
    for process in shop.stream.processes["learn"]:
        shop.stream.kill(process)
    # Only now, as the last one may have been told twice that it is the writer, and have begun anew.
    first = shop.writers()
    shop.stream.start("learn")
    act_until_steps(first[-1][1] + 10)
    both = shop.writers()
    assert both == sorted(both), "a successor has a higher epoch, and steps go on"
    assert both[: len(first)] == first
    assert both[-1][0] > first[-1][0]
    epochs = {epoch for epoch, _ in both}
    assert epochs == set(range(first[0][0], both[-1][0] + 1)), "each takes over from the one before"
