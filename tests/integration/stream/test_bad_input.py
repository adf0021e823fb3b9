"""Messages that cannot be processed: the dead letter says why, the next good one is served."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.integration.stream.bench import event, request
from tests.integration.stream.role_memory import MEBIBYTE, bounded
from tests.integration.stream.stack import Json, Stack

LONG_ID = "x" * 10_000
MAX_GROWTH_BYTES = 32 * MEBIBYTE
# Of 384 MiB that are published. Mostly it is some 110 MiB, at times 135; with half of that flood too.
FLOOD_GROWTH_BYTES = 192 * MEBIBYTE


def item(**fields: Any) -> bytes:
    return json.dumps({"item_id": "ID", "title": "A title", **fields}).encode()


def with_vector(values: str) -> bytes:
    return (
        b'{"item_id": "ID", "vectors": {"image": {"encoder": "image-cnn-64", "values": %s}}}'
        % values.encode()
    )


BAD_ITEMS: dict[str, tuple[bytes, str]] = {
    "broken JSON": (b'{"item_id": "ID", "title": ', "malformed"),
    "empty": (b"", "malformed"),
    "not UTF-8": (b'{"item_id": "ID", "title": "\xff\xfe"}', "malformed"),
    "nested too deeply": (b'{"item_id": "ID", "x": ' + b"[" * 200_000, "malformed"),
    "not an object": (b"[1, 2]", "invalid"),
    "no id": (b'{"title": "Nameless"}', "invalid"),
    "title of the wrong type": (item(title=5), "invalid"),
    "media of the wrong type": (item(media={"kind": "image"}), "invalid"),
    "unknown kind of media": (item(media=[{"kind": "smell", "uri": "file:///x"}]), "invalid"),
    "media without anything": (item(media=[{"kind": "image"}]), "invalid"),
    "attribute that is an object": (item(attributes={"size": {"cm": 3}}), "invalid"),
    "price beyond float64": (b'{"item_id": "ID", "attributes": {"price": 1e999}}', "invalid"),
    "NaN in a vector": (with_vector("[NaN, 1.0]"), "malformed"),
    "infinity in a vector": (with_vector("[1e999, 1.0]"), "invalid"),
    "vector of words": (with_vector('["one"]'), "invalid"),
    "another id than the key": (item(item_id="someone-else"), "key_mismatch"),
}


@pytest.mark.parametrize("name", BAD_ITEMS)
def test_a_bad_item(stack: Stack, tag: str, name: str) -> None:
    value, reason = BAD_ITEMS[name]
    bad, good = f"{tag}-bad", f"{tag}-good"
    value = value.replace(b'"ID"', json.dumps(bad).encode())
    position = stack.publish("items", value, bad)
    stack.publish_item(good, title="A good one", attributes={"tag": tag})
    letter = stack.letter("items", position)
    assert (letter["reason"], letter["stage"], letter["attempts"]) == (reason, "encode-text", 1)
    assert letter["source"]["key"] == bad
    assert letter["detail"]
    assert base64.b64decode(letter["payload"]) == value
    stack.await_listed(tag, good)
    stack.letters.read_to_end()
    assert len(stack.letters_of("items", position)) == 1
    assert not stack.vectors.of_key(bad)


def test_an_item_with_an_id_of_ten_kilobytes(stack: Stack, tag: str) -> None:
    position = stack.publish("items", {"item_id": LONG_ID}, LONG_ID)
    null = stack.publish("items", None, LONG_ID)
    stack.publish_item(f"{tag}-good", title="A good one", attributes={"tag": tag})
    for where in (position, null):
        letter = stack.letter("items", where)
        assert letter["reason"] == "invalid"
        assert "256" in letter["detail"]
        assert len(letter["source"]["key"]) <= 1_024
    stack.await_listed(tag, f"{tag}-good")


BAD_EVENTS: dict[str, tuple[Json | bytes, str]] = {
    "broken JSON": (b'{"event_id": "e', "malformed"),
    "null": (b"null", "invalid"),
    "wrong types": ({"event_id": 5, "item_id": ["x"]}, "invalid"),
    "no action": ({"action": None}, "invalid"),
    "no time": ({"occurred_at": "yesterday"}, "invalid"),
    "time without a zone": ({"occurred_at": "2026-01-01T00:00:00"}, "invalid"),
    "item id of 10 kB": ({"item_id": LONG_ID}, "invalid"),
    "NaN as value": ({"value": float("nan")}, "malformed"),
    "another user than the key": ({"user_id": "someone-else"}, "key_mismatch"),
}


@pytest.mark.parametrize("name", BAD_EVENTS)
def test_a_bad_event(stack: Stack, tag: str, name: str) -> None:
    change, reason = BAD_EVENTS[name]
    user = f"{tag}-user"
    bad = change if isinstance(change, bytes) else event(user, f"{tag}-bad", f"{tag}-item") | change
    position = stack.publish("events", bad, user)
    stack.publish("events", event(user, f"{tag}-good", f"{tag}-item"), user)
    letter = stack.letter("events", position)
    assert (letter["reason"], letter["stage"]) == (reason, "profile")
    assert stack.answer(f"{tag}-good")["profile_version"] == 1


BAD_REQUESTS: dict[str, tuple[Json | bytes, str, bool]] = {
    "broken JSON": (b'{"request_id": "r', "malformed", False),
    "no request id": ({"request_id": None}, "invalid", False),
    "request id of 10 kB": ({"request_id": LONG_ID}, "invalid", False),
    "a million items": ({"count": 10**6}, "invalid", True),
    "ten thousand and one candidates": ({"candidates": ["x"] * 10_001}, "invalid", True),
    "an excluded id of 10 kB": ({"exclude": [LONG_ID]}, "invalid", True),
    "filter by an object": ({"filter": {"price": {"min": "low"}}}, "invalid", True),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_bad_request(stack: Stack, tag: str, name: str) -> None:
    change, reason, is_answered = BAD_REQUESTS[name]
    user, request_id = f"{tag}-user", f"{tag}-bad"
    bad = change if isinstance(change, bytes) else request(user, request_id) | change
    with bounded(stack.pid("recommend"), MAX_GROWTH_BYTES):
        position = stack.publish("recommendation-requests", bad, user)
        letter = stack.letter("recommendation-requests", position)
        assert stack.ask(user, candidates=[f"{tag}-nothing"])["items"] == []
    assert (letter["reason"], letter["stage"]) == (reason, "recommend")
    stack.lists.read_to_end()
    answers = stack.lists.values(lambda one: one["cause"]["id"] == request_id)
    assert len(answers) == is_answered
    for answer in answers:
        assert (answer["items"], answer["complete"], answer["user_id"]) == ([], False, user)
        assert answer["shortfall"]


def test_a_flood_of_garbage_takes_bounded_memory(stack: Stack, tag: str) -> None:
    """Twenty-four times what a role of this stack may have in flight."""
    garbage = b'{"item_id": "x", "title": "' + b"x" * (6 * MEBIBYTE)
    count = 24 * stack.stream.settings.worker.max_in_flight_bytes // len(garbage)
    with bounded(stack.pid("text"), FLOOD_GROWTH_BYTES), bounded(stack.pid("image"), FLOOD_GROWTH_BYTES):
        positions = [stack.publish("items", garbage, f"{tag}-{number}") for number in range(count)]
        letters = [stack.letter("items", position) for position in positions]
        stack.publish_item(f"{tag}-good", title="A good one", attributes={"tag": tag})
        stack.await_listed(tag, f"{tag}-good")
        for role in ("text", "image", "audio", "video"):
            stack.await_metric(role, "freshet_lag_records", lambda lag: lag == 0)
    assert {letter["reason"] for letter in letters} == {"malformed"}
    assert not any("payload" in letter for letter in letters)


def test_what_waits_for_a_slow_server_is_left_in_kafka(stack: Stack, tag: str) -> None:
    """Twelve times what a role of this stack may have in flight, all of it waiting for one download."""
    budget_bytes = stack.stream.settings.worker.max_in_flight_bytes
    padding = "x" * (3 * MEBIBYTE)
    count = 12 * budget_bytes // len(padding)
    uri = stack.server.put(f"{tag}.jpg", stack.file("shoes-*.jpg").read_bytes(), held=True)
    with bounded(stack.pid("image"), 8 * budget_bytes):
        for number in range(count):
            stack.publish_item(f"{tag}-{number}", media=[{"kind": "image", "uri": uri}], padding=padding)
        stack.await_metric("image", "freshet_in_flight_bytes", lambda size: size >= budget_bytes)
        # The other roles go on meanwhile.
        sound = {"kind": "audio", "uri": stack.file_uri("rooster-*.ogg")}
        stack.publish_item(f"{tag}-sound", title="A rooster", media=[sound])
        stack.await_modalities(f"{tag}-sound", "text", "audio")
        # One fetch is on its way while the budget is used up.
        assert stack.metric("image", "freshet_in_flight_bytes") < 2.5 * budget_bytes
        assert stack.server.requests[f"{tag}.jpg"] < count
        stack.server.release(f"{tag}.jpg")
        for number in range(count):
            stack.await_modalities(f"{tag}-{number}", "image")
    assert stack.server.requests[f"{tag}.jpg"] == count
