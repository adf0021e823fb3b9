"""All roles of a stream, running, and what tests do with them: publish, ask, and wait for what must come."""

from __future__ import annotations

import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from kafka import KafkaProducer
from numpy.typing import NDArray

from streams.codec import decode_value
from streams.internal_messages import ItemVector
from streams.keys import partition_of
from streams.topics import ITEM_VECTORS
from tests.integration.stream.bench import Stream, item_ids, request
from tests.integration.stream.media_server import MediaServer
from tests.integration.stream.tail import Tail

ROLES = ("text", "image", "audio", "video", "fuse", "profile", "recommend", "join", "explain")
READY_TIMEOUT_S = 300.0
MAX_MESSAGE_BYTES = 8 << 20
Json = dict[str, Any]


class Stack:
    """A stream whose roles run, with its outputs read along.

    Args:
        server: Serves media to it.
        media: The folder from which it may read files.
    """

    def __init__(self, stream: Stream, server: MediaServer, media: Path) -> None:
        self.stream = stream
        self.server = server
        self.media = media
        self.port, self.metric, self.await_metric = stream.port, stream.metric, stream.await_metric
        servers = stream.settings.kafka.bootstrap_servers
        names = stream.names
        self._producer = KafkaProducer(bootstrap_servers=servers, max_request_size=MAX_MESSAGE_BYTES)
        self.lists: Tail[Json] = Tail(servers, names.recommendations, json.loads)
        self.outcomes: Tail[Json] = Tail(servers, names.outcomes, json.loads)
        self.letters: Tail[Json] = Tail(servers, names.dead_letters, json.loads)
        self.vectors: Tail[ItemVector] = Tail(
            servers, names.item_vectors(stream.space), lambda value: decode_value(value, ITEM_VECTORS)
        )

    def close(self) -> None:
        """Stop reading along."""
        self._producer.close()
        for tail in (self.lists, self.outcomes, self.letters, self.vectors):
            tail.close()

    # In

    def publish(self, topic: str, value: Any, key: str | None = None) -> tuple[int, int]:
        """Publish JSON, or bytes as they are; the partition and offset that it got."""
        encoded = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
        sent = self._producer.send(
            self.stream.prefix + topic, value=encoded, key=None if key is None else key.encode()
        )
        metadata = sent.get(timeout=120)
        return metadata.partition, metadata.offset

    def publish_item(self, item_id: str, **fields: Any) -> tuple[int, int]:
        """Publish an item; its partition and offset."""
        return self.publish("items", {"item_id": item_id, **fields}, item_id)

    def withdraw(self, item_id: str) -> tuple[int, int]:
        """Publish the null that withdraws an item."""
        return self.publish("items", None, item_id)

    def file(self, pattern: str) -> Path:
        """The first file in the media folder that matches."""
        return min(self.media.glob(pattern)).resolve()

    def file_uri(self, pattern: str) -> str:
        """Of the first file in the media folder that matches."""
        return self.file(pattern).as_uri()

    # Out

    def ask(self, user_id: str, **fields: Any) -> Json:
        """Send a request; its answer."""
        request_id = fields.pop("request_id", None) or f"r-{secrets.token_hex(6)}"
        self.publish("recommendation-requests", request(user_id, request_id, **fields), user_id)
        return self.answer(request_id)

    def answer(self, cause_id: str, timeout_s: float = 120.0) -> Json:
        """The list for an event or a request."""
        return self.lists.wait_for(lambda one: one["cause"]["id"] == cause_id, timeout_s)

    def await_answer(
        self, condition: Callable[[Json], Any], user_id: str = "", timeout_s: float = 120.0, **fields: Any
    ) -> Json:
        """Ask again and again until the answer is as it should be."""
        user_id = user_id or f"asks-{secrets.token_hex(4)}"
        deadline = time.monotonic() + timeout_s
        while not condition(answer := self.ask(user_id, **fields)):
            assert time.monotonic() < deadline, f"not within {timeout_s} s; lastly {str(answer)[:2_000]}"
            time.sleep(0.02)
        return answer

    def await_listed(self, tag: str, *item_ids_: str, **fields: Any) -> Json:
        """Wait until a stranger's list of the items with this tag is just these."""
        return self.await_answer(
            lambda answer: set(item_ids(answer)) == set(item_ids_), filter={"tag": tag}, **fields
        )

    def await_vector(
        self, item_id: str, condition: Callable[[ItemVector], Any] = lambda vector: True
    ) -> ItemVector:
        """Wait until the newest vector of an item is as it should be."""

        def newest() -> ItemVector | None:
            entries = self.vectors.of_key(item_id)
            vector = entries[-1].value if entries else None
            return vector if vector is not None and condition(vector) else None

        found: ItemVector = self.vectors.wait_until(newest)
        return found

    def await_modalities(self, item_id: str, *modalities: str) -> ItemVector:
        """Wait until an item's vector is made of just these."""
        return self.await_vector(item_id, lambda vector: set(vector.modalities) == set(modalities))

    def await_withdrawn(self, item_id: str) -> None:
        """Wait until the newest record of the item's vector is a null."""

        def is_null() -> bool:
            entries = self.vectors.of_key(item_id)
            return bool(entries) and entries[-1].value is None

        self.vectors.wait_until(is_null)

    def letter(self, topic: str, position: tuple[int, int], stage: str | None = None) -> Json:
        """The dead letter of a message at (partition, offset)."""

        def is_its(letter: Json) -> bool:
            source = letter["source"]
            where = (source["topic"], source["partition"], source["offset"])
            return where == (self.stream.prefix + topic, *position) and stage in (None, letter["stage"])

        return self.letters.wait_for(is_its)

    def letters_of(self, topic: str, position: tuple[int, int]) -> list[Json]:
        """Every dead letter read so far of a message."""
        name = self.stream.prefix + topic
        return self.letters.values(
            lambda one: (
                (one["source"]["topic"], one["source"]["partition"], one["source"]["offset"])
                == (name, *position)
            )
        )

    # Inside

    def flush_item(self, item_id: str) -> None:
        """Wait until fuse has applied everything that is in `item-features` for this item now.

        A text item in the same partition is sent after it: once that has its vector, so has the other.
        """
        partitions = self.stream.settings.topics.item_partitions
        wanted = partition_of(item_id, partitions)
        while partition_of(marker := f"marker-{secrets.token_hex(6)}", partitions) != wanted:
            pass
        self.publish_item(marker, title="A marker", available=False)
        self.await_modalities(marker, "text")
        self.vectors.read_to_end()

    def pid(self, role: str) -> int:
        """The process of a role."""
        return self.stream.processes[role][-1].pid

    def await_ready(self, *roles: str) -> None:
        """Wait until the roles are in their groups and work."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        for role in roles:
            self.stream.await_started(role, 1, READY_TIMEOUT_S)
            while not _answers_ok(f"http://127.0.0.1:{self.port(role)}/ready"):
                process = self.stream.processes[role][-1]
                assert process.poll() is None, f"{role} ended:\n{self.stream.log_of(role)[-4_000:]}"
                assert time.monotonic() < deadline, f"{role}:\n{self.stream.log_of(role)[-4_000:]}"
                time.sleep(0.1)


def unit(vector: ItemVector) -> NDArray[np.float64]:
    """An item's vector as float64 [dimension]."""
    assert vector.vector is not None
    return np.frombuffer(vector.vector, "<f2").astype(np.float64)


def contribution(listed: Json, kind: str, item_id: str | None = None) -> float:
    """What the reasons of one kind (and of one past item) add to a listed item's score."""
    return sum(
        reason["contribution"]
        for reason in listed["reasons"]
        if reason["kind"] == kind and item_id in (None, reason.get("item_id"))
    )


def listed(answer: Json, item_id: str) -> Json:
    """An item of a list."""
    found: Json = next(one for one in answer["items"] if one["item_id"] == item_id)
    return found


def _answers_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def running(stream: Stream, server: MediaServer, media: Path, *roles: str) -> Iterator[Stack]:
    """A stack whose roles were started, and work."""
    stream.start(*roles)
    stack = Stack(stream, server, media)
    try:
        stack.await_ready(*roles)
        yield stack
    finally:
        stack.close()
