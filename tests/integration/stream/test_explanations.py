"""Words for lists, on a real Kafka and Redis; and lists that do not care what becomes of words."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KafkaServer, RedisServer
from tests.integration.stream.bench import Stream, event, item_ids
from tests.integration.stream.media_server import MediaServer
from tests.integration.stream.stack import Json, Stack, running
from tests.integration.stream.tail import Tail
from tests.unit.explaining.chat_server import ChatServer

ROLES = ("text", "fuse", "profile", "recommend", "explain")
LAMPS = {"desk": "Desk lamp, brass", "reading": "Reading lamp, brass", "night": "Night lamp for children"}


@contextmanager
def words_of(stream: Stream) -> Iterator[Callable[[Json], Json]]:
    """Finds the explanation of a list."""
    tail: Tail[Json] = Tail(stream.settings.kafka.bootstrap_servers, stream.names.explanations, json.loads)
    try:
        yield lambda answer: tail.wait_for(
            lambda one: one["recommendation_id"] == answer["recommendation_id"]
        )
    finally:
        tail.close()


def publish_lamps(stack: Stack, tag: str) -> list[str]:
    for name, title in LAMPS.items():
        stack.publish_item(f"{tag}-{name}", title=title, attributes={"tag": tag, "category": "lamp"})
    listed = [f"{tag}-{name}" for name in LAMPS]
    stack.await_listed(tag, *listed)
    return listed


def click(stack: Stack, user: str, item_id: str) -> str:
    event_id = f"{user}-{item_id}"
    stack.publish("events", event(user, event_id, item_id), user)
    return event_id


def ask(stack: Stack, tag: str, user: str, after: str, **fields: Any) -> Json:
    return stack.ask(user, filter={"tag": tag}, after_event_id=after, **fields)


def test_a_request_that_asks_gets_words_for_what_it_is_shown(stack: Stack, tag: str) -> None:
    lamps = publish_lamps(stack, tag)
    with words_of(stack.stream) as find:
        clicked = click(stack, f"user-{tag}", lamps[0])
        silent = ask(stack, tag, f"user-{tag}", clicked)
        answer = ask(stack, tag, f"user-{tag}", clicked, explain=True)
        words = find(answer)
    assert answer["explain"] is True
    assert "explain" not in silent
    assert item_ids(answer) == item_ids(silent)
    assert words["user_id"] == f"user-{tag}"
    assert (words["language"], words["generator"], words["grounded"]) == ("en", "template@1", True)
    assert item_ids(words) == item_ids(answer)
    by_item = {one["item_id"]: one["text"] for one in words["items"]}
    assert "“Desk lamp, brass”" in by_item[lamps[1]]
    assert "you opened" in by_item[lamps[1]]


@pytest.mark.skipif(importlib.util.find_spec("openai") is None, reason="the extra `llm` is not installed")
def test_a_stopped_endpoint_changes_nothing_in_lists(
    kafka: KafkaServer,
    redis_server: RedisServer,
    topic_prefix: str,
    tmp_path: Path,
    media_server: MediaServer,
    media_folder: Path,
    tag: str,
) -> None:
    with (
        ChatServer() as server,
        Stream(
            kafka.bootstrap_servers,
            redis_server.url,
            topic_prefix,
            tmp_path,
            # A ranker that does not learn meanwhile.
            recommend={"ranker": "base", "after_event_wait_ms": 10_000, "popularity_refresh_s": 0.2},
            explain={"generator": "language_model"},
            language_model={
                "base_url": server.base_url,
                "model": "lamps-1b",
                "attempts": 2,
                "first_wait_s": 0.1,
                "cache_entries": 0,
            },
        ) as stream,
        running(stream, media_server, media_folder, *ROLES) as stack,
    ):
        lamps = publish_lamps(stack, tag)
        with words_of(stream) as find:
            clicked = click(stack, "anna", lamps[0])
            before = ask(stack, tag, "anna", clicked, explain=True)
            by_model = find(before)
            server.stop()
            after = ask(stack, tag, "anna", clicked, explain=True)
            by_template = find(after)
        calls = stack.metric("explain", "freshet_language_model_calls_total", outcome="ok")
    assert by_model["generator"] == "lamps-1b"
    assert by_model["grounded"] is True
    assert calls == len(by_model["items"]) == len(server.bodies) == 2
    assert "anna" not in str(server.bodies) + str(server.headers)
    assert item_ids(after) == item_ids(before)
    assert [one["score"] for one in after["items"]] == pytest.approx(
        [one["score"] for one in before["items"]], abs=0.01
    )
    assert by_template["generator"] == "template@1"
    assert item_ids(by_template) == item_ids(after)
