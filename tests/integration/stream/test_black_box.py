"""A plain Kafka client that knows the contract alone: it imports nothing of Freshet."""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

Json = dict[str, Any]
FIELDS = {
    *("recommendation_id", "user_id", "profile_version", "cause"),
    *("items", "model", "generated_at", "complete"),
}
JAZZ = [
    "A saxophone trio plays slow jazz ballads in a small club",
    "Jazz trumpet and piano, recorded live at the club",
    "Swing and bebop: a jazz quartet with saxophone and double bass",
    "Late night jazz with a piano trio",
]
GARDEN = [
    "How to grow tomatoes and herbs in your garden",
    "Pruning roses and planting bulbs in the garden soil",
    "Garden compost: feeding vegetables and flowers",
    "Watering a vegetable garden in a dry summer",
]


class Client:
    """What a program in any language would do: JSON in, JSON out, keys by the contract."""

    def __init__(self, bootstrap_servers: str, prefix: str) -> None:
        self._prefix = prefix
        self._producer = KafkaProducer(bootstrap_servers=bootstrap_servers)
        self._consumer = KafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
        topic = f"{prefix}recommendations"
        partitions = [TopicPartition(topic, one) for one in self._consumer.partitions_for_topic(topic) or ()]
        self._consumer.assign(partitions)
        self._consumer.seek_to_end(*partitions)
        for partition in partitions:
            self._consumer.position(partition)
        self.lists: list[tuple[str, Json]] = []

    def publish(self, topic: str, key: str | None, message: Json | None) -> None:
        value = None if message is None else json.dumps(message).encode()
        encoded_key = None if key is None else key.encode()
        self._producer.send(self._prefix + topic, key=encoded_key, value=value).get(timeout=120)

    def click(self, user_id: str, item_id: str) -> str:
        event_id = str(uuid.uuid4())
        event = {
            "event_id": event_id,
            "user_id": user_id,
            "item_id": item_id,
            "action": "click",
            "occurred_at": datetime.now(UTC).isoformat(),
        }
        self.publish("events", user_id, event)
        return event_id

    def list_where(self, condition: Callable[[Json], bool], timeout_s: float = 120.0) -> Json:
        deadline = time.monotonic() + timeout_s
        while True:
            for _, found in self.lists:
                if condition(found):
                    return found
            assert time.monotonic() < deadline, f"no such list in {timeout_s} s; lastly {self.lists[-2:]}"
            for records in self._consumer.poll(timeout_ms=50).values():
                self.lists += [(record.key.decode(), json.loads(record.value)) for record in records]

    def list_for(self, cause_id: str) -> Json:
        return self.list_where(lambda one: one["cause"]["id"] == cause_id)

    def close(self) -> None:
        self._producer.close()
        self._consumer.close()


@pytest.fixture
def client(running_stream: Any) -> Iterator[Client]:
    made = Client(running_stream.bootstrap_servers, running_stream.prefix)
    yield made
    made.close()


def ids(found: Json) -> list[str]:
    return [item["item_id"] for item in found["items"]]


def own(found: Json, tag: str) -> list[str]:
    """The items of this test in a list; other tests publish to the same stream."""
    return [item_id for item_id in ids(found) if item_id.startswith(tag)]


def publish_items(client: Client, tag: str) -> None:
    for kind, titles in (("jazz", JAZZ), ("garden", GARDEN)):
        for number, title in enumerate(titles):
            item_id = f"{tag}-{kind}-{number}"
            client.publish(
                "items",
                item_id,
                {"item_id": item_id, "title": title, "attributes": {"tag": tag, "kind": kind}},
            )


def await_list(client: Client, tag: str, user: str, count: int, condition: Callable[[Json], bool]) -> None:
    """Ask for a list of the test's items until the condition holds of it."""
    deadline = time.monotonic() + 120
    while True:
        request_id = str(uuid.uuid4())
        client.publish(
            "recommendation-requests",
            user,
            {"request_id": request_id, "user_id": user, "count": count, "filter": {"tag": tag}},
        )
        if condition(found := client.list_for(request_id)):
            return
        assert time.monotonic() < deadline, f"lastly {found}"


def await_catalogue(client: Client, tag: str, count: int) -> None:
    """Until so many of the test's items can be listed."""
    await_list(client, tag, f"{tag}-asks", count, lambda found: len(found["items"]) == count)


def test_lists_follow_events_and_new_items(client: Client, tag: str) -> None:
    publish_items(client, tag)
    await_catalogue(client, tag, 8)
    user = f"{tag}-anna"

    first = client.list_for(client.click(user, f"{tag}-jazz-0"))
    assert f"{tag}-jazz-0" not in ids(first)
    assert set(own(first, tag)[:3]) == {f"{tag}-jazz-{number}" for number in (1, 2, 3)}

    # Her taste changes, and so does the list.
    client.click(user, f"{tag}-garden-0")
    client.click(user, f"{tag}-garden-1")
    second = client.list_for(client.click(user, f"{tag}-garden-2"))
    assert own(second, tag)[0] == f"{tag}-garden-3"
    assert not {f"{tag}-jazz-0", *(f"{tag}-garden-{n}" for n in (0, 1, 2))} & set(ids(second))
    assert second["profile_version"] == first["profile_version"] + 3 == 4

    # An item that did not exist a moment ago.
    fresh = f"{tag}-garden-fresh"
    client.publish("items", fresh, {"item_id": fresh, "title": GARDEN[0], "attributes": {"tag": tag}})
    await_catalogue(client, tag, 9)
    # It can be listed as soon as it is declared, and is known to be like others once its text is encoded.
    await_list(client, tag, user, 9, lambda found: fresh in ids(found)[:2])
    third = client.list_for(client.click(user, f"{tag}-garden-3"))
    assert own(third, tag)[0] == fresh

    # And one that is withdrawn.
    client.publish("items", fresh, None)
    deadline = time.monotonic() + 120
    while fresh in ids(client.list_for(client.click(user, f"{tag}-jazz-0"))):
        assert time.monotonic() < deadline


def test_every_list_is_as_the_contract_says(client: Client, tag: str) -> None:
    publish_items(client, tag)
    await_catalogue(client, tag, 8)
    user = f"{tag}-ben"
    event_id = client.click(user, f"{tag}-jazz-1")
    request_id = str(uuid.uuid4())
    client.publish("recommendation-requests", user, {"request_id": request_id, "user_id": user, "count": 3})
    by_event, by_request = client.list_for(event_id), client.list_for(request_id)
    assert by_event["cause"] == {"kind": "event", "id": event_id}
    assert by_request["cause"] == {"kind": "request", "id": request_id}
    assert len(by_request["items"]) == 3
    assert by_request["complete"] is True
    assert by_event["recommendation_id"] != by_request["recommendation_id"]
    assert by_event["profile_version"] == 1
    for key, found in client.lists:
        assert key == found["user_id"]
        assert {"recommendation_id", "profile_version", "cause", "items", "model", "generated_at"} <= set(
            found
        )
        assert datetime.fromisoformat(found["generated_at"]).tzinfo is not None
        assert found["complete"] or found["shortfall"]
        assert len(set(ids(found))) == len(found["items"])
        scores = [item["score"] for item in found["items"]]
        assert scores == sorted(scores, reverse=True)
        for item in found["items"]:
            total = math.fsum(reason["contribution"] for reason in item["reasons"])
            assert abs(total - item["score"]) <= 1e-6 * max(1.0, abs(item["score"]))
            assert all(reason["kind"] for reason in item["reasons"])
    best = by_event["items"][0]
    assert any(reason.get("item_id") == f"{tag}-jazz-1" for reason in best["reasons"])


def test_a_message_without_a_key_is_taken(client: Client, tag: str) -> None:
    """Events and requests; `items` is compacted, and Kafka itself refuses a record without a key there."""
    publish_items(client, tag)
    await_catalogue(client, tag, 8)
    user, event_id, request_id = f"{tag}-cleo", str(uuid.uuid4()), str(uuid.uuid4())
    now = datetime.now(UTC).isoformat()
    client.publish(
        "events",
        None,
        {
            "event_id": event_id,
            "user_id": user,
            "item_id": f"{tag}-jazz-0",
            "action": "like",
            "occurred_at": now,
        },
    )
    assert client.list_for(event_id)["user_id"] == user
    client.publish(
        "recommendation-requests",
        None,
        {"request_id": request_id, "user_id": user, "filter": {"tag": tag}, "count": 3},
    )
    assert all("jazz" in one for one in ids(client.list_for(request_id)))
