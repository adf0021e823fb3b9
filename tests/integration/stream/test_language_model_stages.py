"""Lists that a language model puts in order and items that it tells more of, on a real Kafka and Redis."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.conftest import KafkaServer, RedisServer
from tests.integration.stream.bench import Stream, item_ids
from tests.integration.stream.media_server import MediaServer
from tests.integration.stream.stack import running
from tests.integration.stream.test_explanations import ask, click, publish_lamps
from tests.unit.explaining.chat_server import ChatServer

pytest.importorskip("openai", reason="the extra `llm` is not installed")

ROLES = ("text", "fuse", "profile", "recommend")
ENRICHED_TIMEOUT_S = 180.0


def test_what_a_model_does_to_lists_and_items_and_nothing_once_it_is_gone(
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
            recommend={"ranker": "base", "after_event_wait_ms": 10_000, "popularity_weight": 0.0},
            refine={"enabled": True, "timeout_ms": 20_000},
            enrich={"enabled": True, "in_text": False},
            language_model={"base_url": server.base_url, "model": "lamps-1b", "attempts": 1},
        ) as stream,
        running(stream, media_server, media_folder, *ROLES) as stack,
    ):
        lamps = publish_lamps(stack, tag)
        # The update of an item's attributes, by what the model has told.
        deadline_s = time.monotonic() + ENRICHED_TIMEOUT_S
        enriched: list[str] = []
        while sorted(enriched) != sorted(lamps) and time.monotonic() < deadline_s:
            answer = stack.ask("nobody", filter={"tag": tag, "model_mood": "calm"})
            enriched = item_ids(answer)
        clicked = click(stack, "anna", lamps[0])
        plain = ask(stack, tag, "anna", clicked)
        refined = ask(stack, tag, "anna", clicked, refine=True)
        server.stop()
        without = ask(stack, tag, "anna", clicked, refine=True)
    assert sorted(enriched) == sorted(lamps)
    assert item_ids(refined) == item_ids(plain)[::-1]
    assert refined["model"] == f"{plain['model']}+lamps-1b"
    assert {reason["kind"] for item in refined["items"] for reason in item["reasons"]} >= {"refined"}
    assert item_ids(without) == item_ids(plain)
    assert without["model"] == plain["model"]
    assert "anna" not in str(server.bodies)
