"""What people and the shop do while faults are injected: a thread that publishes, and a ledger of it.

Every event has a number, and follows from it, so that a run that is resumed goes on with the next. Most
events are imported history (days old, so no list is made for them), in bursts of a few people each, as an
import is; some happen now, and must be answered by a list. Some come twice, some are from the future, some
are broken. Half of those that happen now name the person's newest list, and an item of it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from kafka import KafkaProducer

from streams.topic_names import TopicNames
from tests.faults.world import MEDIA

ITEMS = 200
PEOPLE = 400
# These see more items than a profile holds exactly, so that their filter is used.
COLLECTORS = 2
PEOPLE_OF_A_BURST = 20
LIVE_EVERY = 20
BROKEN_EVERY = 400
TWICE_EVERY = 33
FUTURE_EVERY = 50
NAMED_EVERY = 2
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ACTIONS = (
    ("view", None),
    ("click", None),
    ("play", 0.7),
    ("like", None),
    ("dislike", None),
    ("skip", None),
    ("add_to_cart", None),
    ("purchase", None),
    ("rate", 4.5),
    ("rate", 1.0),
    ("share", None),
)
_PICTURES = ("*.jpg", "*.ogg", "*.webm")

Json = dict[str, Any]


def number_from(*parts: object) -> int:
    """A number that follows from these, evenly spread."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest(), "little")


@dataclass
class Ledger:
    """What was published. Written by the load's thread, read by others.

    Attributes:
        begun: Events up to this number were handed to the producer.
        acknowledged: All events below this number are in Kafka.
        live: Number of a live event → person, the profile's version with it, and when it was acknowledged
            (`time.monotonic`).
        withdrawn: Item → when its withdrawal was acknowledged; it is taken out when it comes back.
        requests: Request → when it was acknowledged.
        shown: Person → their newest list, as its id and items. Written by who reads lists.
        failures: What Kafka did not take.
    """

    begun: int = 0
    acknowledged: int = 0
    live: dict[int, tuple[str, int, float]] = field(default_factory=dict)
    withdrawn: dict[str, float] = field(default_factory=dict)
    requests: dict[str, float] = field(default_factory=dict)
    shown: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


class Load:
    """Publishes until it is stopped. A context manager.

    Args:
        events: So many in all; live ones go on until the end.
        first: The number of the first event.
        events_per_s: While there are such to publish.
        versions: Of each profile before the first event.
        media: Whether items have pictures, sounds and films.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        names: TopicNames,
        *,
        seed: int,
        events: int,
        first: int = 0,
        events_per_s: float = 400.0,
        versions: Mapping[str, int] | None = None,
        media: bool = False,
    ) -> None:
        self._servers = bootstrap_servers
        self._names = names
        self._seed = seed
        self._events = events
        self._events_per_s = events_per_s
        self._media = media
        self._versions = dict(versions or {})
        self.ledger = Ledger(begun=first, acknowledged=first)
        self.problem: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._first = first
        self._open: set[int] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Load:
        self._producer = KafkaProducer(
            bootstrap_servers=self._servers,
            linger_ms=5,
            metadata_max_age_ms=1_000,
            delivery_timeout_ms=600_000,
            max_block_ms=600_000,
        )
        self._publish_items()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._producer.close()

    def stop(self) -> None:
        """Publish no more, and wait until Kafka has everything."""
        self._stop.set()
        self._thread.join(400.0)
        self._producer.flush(timeout=400.0)

    @property
    def is_done(self) -> bool:
        """Whether all the events that were asked for are acknowledged."""
        return self.ledger.acknowledged >= self._events

    # The thread

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self.problem = error

    def _work(self) -> None:
        due_s, second = time.monotonic(), 0
        while not self._stop.is_set():
            left = max(0, self._events - self.ledger.begun)
            # What is left, in bursts; then live events alone.
            for _ in range(min(left, round(self._events_per_s)) if left else 5):
                self._publish_event(self.ledger.begun, is_import=left > 0)
            self._shop(second)
            second += 1
            due_s = max(due_s + 1.0, time.monotonic() - 5.0)
            self._stop.wait(max(0.0, due_s - time.monotonic()))

    def _publish_event(self, number: int, *, is_import: bool) -> None:
        value = event(self._seed, number, is_import=is_import)
        person = person_of(self._seed, number)
        shown = self.ledger.shown.get(person)
        if value is not None and not value["context"] and shown and number % NAMED_EVERY == 0:
            # What this person was shown leads to it.
            value["recommendation_id"], items = shown
            value["item_id"] = items[number_from(self._seed, "place", number) % len(items)]
        encoded = json.dumps(value).encode() if value is not None else b'{"event_id": '
        with self._lock:
            # At once: between the two it would count as acknowledged.
            self._open.add(number)
            self.ledger.begun = number + 1
        if value is not None:
            self._versions[person] = self._versions.get(person, 0) + 1
        is_live = value is not None and not value["context"]
        version = self._versions.get(person, 0) if is_live else None
        self._send(
            self._names.events, person, encoded, lambda: self._event_acknowledged(number, person, version)
        )
        if number_from(self._seed, "twice", number) % TWICE_EVERY == 0:
            self._send(self._names.events, person, encoded, lambda: None)

    def _event_acknowledged(self, number: int, person: str, version: int | None) -> None:
        with self._lock:
            self._open.discard(number)
            self.ledger.acknowledged = min(self._open, default=self.ledger.begun)
            if version is not None:
                self.ledger.live[number] = (person, version, time.monotonic())

    def _send(self, topic: str, key: str, value: bytes | None, then: Callable[[], None]) -> None:
        sent = self._producer.send(topic, key=key.encode(), value=value)
        sent.add_callback(lambda _: then())
        sent.add_errback(lambda error: self.ledger.failures.append(f"{topic} {key}: {error!r}"))

    # The shop

    def _publish_items(self) -> None:
        for number in range(ITEMS):
            self._publish_item(number, 0)
        self._producer.flush(timeout=400.0)

    def _publish_item(self, number: int, change: int) -> None:
        item_id = f"item-{number}"
        kind = number % 8
        value: Json = {
            "item_id": item_id,
            "title": f"Thing {number}, edition {change}",
            "description": f"It is number {number}, of the kind {number % 17}.",
            "attributes": {"category": f"c{number % 7}", "price": float(change), "run": self._first},
        }
        if self._media and kind < len(_PICTURES):
            files = sorted(MEDIA.glob(_PICTURES[kind]))
            # Another one with each change: what is the same is not encoded again.
            file = files[(number + change) % len(files)]
            value["media"] = [{"kind": ("image", "audio", "video")[kind], "uri": file.as_uri()}]
        self._send(
            self._names.items, item_id, json.dumps(value).encode(), lambda: self._item_is_back(item_id)
        )

    def _item_is_back(self, item_id: str) -> None:
        self.ledger.withdrawn.pop(item_id, None)

    def _item_is_gone(self, item_id: str) -> None:
        self.ledger.withdrawn[item_id] = time.monotonic()

    def _shop(self, second: int) -> None:
        """A change of the catalogue a second, and a request."""
        random = number_from(self._seed, self._first, "shop", second)
        number = random % ITEMS
        item_id = f"item-{number}"
        if random // ITEMS % 4 == 0 and item_id not in self.ledger.withdrawn:
            self._send(self._names.items, item_id, None, lambda: self._item_is_gone(item_id))
        else:
            self._publish_item(number, second + 1)
        request_id = f"r-{self._first}-{second}"
        person = f"person-{random // 7 % PEOPLE}"
        value = {"request_id": request_id, "user_id": person, "count": 10}
        self._send(
            self._names.recommendation_requests,
            person,
            json.dumps(value).encode(),
            lambda: self.ledger.requests.__setitem__(request_id, time.monotonic()),
        )


def person_of(seed: int, number: int) -> str:
    """Who does event ``number``: a few people for some hundred events, then others."""
    random = number_from(seed, "person", number)
    if random % 50 == 0:
        return f"collector-{random // 50 % COLLECTORS}"
    group = number // 400
    return f"person-{(group * PEOPLE_OF_A_BURST + random // 50 % PEOPLE_OF_A_BURST) % PEOPLE}"


def event(seed: int, number: int, *, is_import: bool) -> Json | None:
    """Event ``number``; None for one that is broken. Live ones are of the moment of the call."""
    random = number_from(seed, "event", number)
    person = person_of(seed, number)
    if random % BROKEN_EVERY == 0:
        return None
    action, value = ACTIONS[random // 1_000 % len(ACTIONS)]
    item = f"item-{random // 100_000 % ITEMS}"
    if person.startswith("collector"):
        item = f"rare-{random // 100_000 % 5_000}"
    found: Json = {
        "event_id": f"e-{number}",
        "user_id": person,
        "item_id": item,
        "action": action,
        "context": {},
    }
    if value is not None:
        found["value"] = value
    if is_import and random // 7 % LIVE_EVERY:
        found["context"] = {"days": "ago"}
        # Three events at a time, so that some are of the same moment.
        occurred_at = BEGIN + timedelta(seconds=number // 3)
    else:
        occurred_at = datetime.now(UTC)
        if random // 11 % FUTURE_EVERY == 0:
            occurred_at += timedelta(minutes=20)
    found["occurred_at"] = occurred_at.isoformat()
    return found
