"""Reads lists and withdrawals along, and knows which live events still wait for a list."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from contextlib import suppress

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from streams.topic_names import TopicNames
from tests.faults.load import Ledger


class Observer:
    """A thread that consumes from the end on. A context manager.

    The times are those since `take_times`.

    Attributes:
        waits_s: Of each live event that was answered: acknowledged by Kafka until a list with it was read.
        withdrawn_listed_s: Of each withdrawn item on a list: how long after the withdrawal was read.
    """

    def __init__(self, bootstrap_servers: str, names: TopicNames, space: str, ledger: Ledger) -> None:
        self._servers = bootstrap_servers
        self._lists_topic = names.recommendations
        self._vectors_topic = names.item_vectors(space)
        self._ledger = ledger
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._versions: dict[str, int] = defaultdict(int)
        self._gone: dict[str, float] = {}
        self.waits_s: list[float] = []
        self.withdrawn_listed_s: list[float] = []
        self.lists = 0
        self.problem: BaseException | None = None

    def __enter__(self) -> Observer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30.0)

    def unanswered(self, before_s: float) -> int:
        """Live events acknowledged before this that no list covers yet."""
        return sum(acknowledged_s <= before_s for _, _, acknowledged_s in list(self._ledger.live.values()))

    def take_times(self) -> tuple[list[float], list[float]]:
        """The times noted since this was last asked: waits, and withdrawn items that were listed."""
        with self._lock:
            found = self.waits_s, self.withdrawn_listed_s
            self.waits_s, self.withdrawn_listed_s = [], []
        return found

    def _run(self) -> None:
        try:
            self._read()
        except BaseException as error:
            self.problem = error

    def _read(self) -> None:
        consumer = KafkaConsumer(
            bootstrap_servers=self._servers, auto_offset_reset="earliest", metadata_max_age_ms=1_000
        )
        known: set[TopicPartition] = set()
        looked_s = 0.0
        try:
            while not self._stop.is_set():
                if time.monotonic() - looked_s > 2.0:
                    looked_s = time.monotonic()
                    # Kafka may be away for longer than its client is patient.
                    with suppress(KafkaError):
                        known = self._assign(consumer, known)
                for partition, records in consumer.poll(timeout_ms=100).items():
                    for record in records:
                        self._take(partition.topic, record.key, record.value, time.monotonic())
                self._settle()
        finally:
            consumer.close()

    def _assign(self, consumer: KafkaConsumer, known: set[TopicPartition]) -> set[TopicPartition]:
        """Read partitions that were added, too; from the end at first, later from their start."""
        wanted = {
            TopicPartition(topic, number)
            for topic in (self._lists_topic, self._vectors_topic)
            for number in consumer.partitions_for_topic(topic) or ()
        }
        added = wanted - known
        if not added:
            return known
        positions = {one: consumer.position(one) for one in known}
        consumer.assign(sorted(wanted))
        for one, position in positions.items():
            consumer.seek(one, position)
        if known:
            consumer.seek_to_beginning(*added)
        else:
            consumer.seek_to_end(*added)
            for one in added:
                consumer.position(one)
        return wanted

    def _take(self, topic: str, key: bytes | None, value: bytes | None, at_s: float) -> None:
        if topic == self._vectors_topic:
            if key is not None:
                if value is None:
                    self._gone.setdefault(key.decode(), at_s)
                else:
                    self._gone.pop(key.decode(), None)
            return
        if value is None:
            return
        found = json.loads(value)
        self.lists += 1
        self._ledger.requests.pop(found["cause"]["id"], None)
        person = found["user_id"]
        if found["items"]:
            ids = tuple(item["item_id"] for item in found["items"])
            self._ledger.shown[person] = (found["recommendation_id"], ids)
        self._versions[person] = max(self._versions[person], found["profile_version"])
        for item in found["items"]:
            gone_s = self._gone.get(item["item_id"])
            if gone_s is not None:
                with self._lock:
                    self.withdrawn_listed_s.append(at_s - gone_s)

    def _settle(self) -> None:
        at_s = time.monotonic()
        for number, (person, version, acknowledged_s) in list(self._ledger.live.items()):
            if self._versions[person] >= version:
                del self._ledger.live[number]
                with self._lock:
                    self.waits_s.append(at_s - acknowledged_s)
