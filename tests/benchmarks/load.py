"""Events at a fixed rate, and when the list of each was read."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import numpy as np
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streams.settings import Settings
from streams.topic_names import TopicNames

# What was published last may still be on its way.
DRAIN_S = 3.0


@dataclass(frozen=True, slots=True)
class Listed:
    """A list that came: when its event was due, when it was read, and what made it."""

    due_s: float
    read_s: float
    model: str

    @property
    def latency_ms(self) -> float:
        """From when the event was due: one that is sent late waits too (coordinated omission)."""
        return 1_000 * (self.read_s - self.due_s)


class Load:
    """A context manager: it publishes and reads in threads of its own until it is left, and drains.

    Args:
        rate: Events a second.
        event: Number → who does what with which item; the id and the time are added.
        also: Another topic that is read → told of each value.
    """

    def __init__(
        self,
        settings: Settings,
        rate: float,
        event: Callable[[int], Mapping[str, Any]],
        also: Mapping[str, Callable[[bytes], None]] | None = None,
    ) -> None:
        names = TopicNames(settings.topics.prefix)
        self._events, self._topic = names.events, names.recommendations
        self._servers = settings.kafka.bootstrap_servers
        self._rate, self._event, self._also = rate, event, dict(also or {})
        self._stop, self._reading = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=one) for one in (self._read, self._publish)]
        self.due: dict[str, float] = {}
        self.lists: dict[str, Listed] = {}

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def model(self) -> str:
        """What made the list that came last."""
        return next(reversed(list(self.lists.values()))).model

    def due_between(self, begin_s: float, end_s: float) -> tuple[int, list[Listed]]:
        """Events that were due within these times, and the lists of those that came."""
        due = {event for event, due_s in list(self.due.items()) if begin_s <= due_s < end_s}
        return len(due), [one for event, one in list(self.lists.items()) if event in due]

    def _publish(self) -> None:
        self._reading.wait()
        producer = KafkaProducer(bootstrap_servers=self._servers, linger_ms=1)
        started_s, number = time.perf_counter(), 0
        while not self._stop.is_set():
            due_s = started_s + number / self._rate
            time.sleep(max(0.0, due_s - time.perf_counter()))
            event_id = f"load-{number}"
            event = {
                **self._event(number),
                "event_id": event_id,
                "occurred_at": datetime.now(UTC).isoformat(),
            }
            self.due[event_id] = due_s
            producer.send(self._events, key=event["user_id"].encode(), value=json.dumps(event).encode())
            number += 1
        producer.flush()
        producer.close()

    def _read(self) -> None:
        consumer = KafkaConsumer(bootstrap_servers=self._servers)
        partitions = [
            TopicPartition(topic, one)
            for topic in (self._topic, *self._also)
            for one in consumer.partitions_for_topic(topic)
        ]
        consumer.assign(partitions)
        consumer.seek_to_end(*partitions)
        for partition in partitions:
            consumer.position(partition)
        self._reading.set()
        end_s = None
        while end_s is None or time.perf_counter() < end_s:
            if end_s is None and self._stop.is_set():
                end_s = time.perf_counter() + DRAIN_S
            for partition, records in consumer.poll(timeout_ms=20).items():
                now_s = time.perf_counter()
                for record in records:
                    if partition.topic == self._topic:
                        self._take(record.value, now_s)
                    else:
                        self._also[partition.topic](record.value)
        consumer.close()

    def _take(self, value: bytes, now_s: float) -> None:
        made = json.loads(value)
        event_id = made["cause"]["id"]
        if event_id in self.due and event_id not in self.lists:
            self.lists[event_id] = Listed(self.due[event_id], now_s, made["model"])


def latencies(found: Sequence[Listed], prefix: str = "") -> dict[str, float]:
    """p50, p95 and p99 in milliseconds.

    Raises:
        SystemExit: There is no list at all.
    """
    if not found:
        raise SystemExit("no list came while events came at the rate: the machine is too slow for it")
    values = [one.latency_ms for one in found]
    return {f"{prefix}p{share}_ms": float(np.percentile(values, share)) for share in (50, 95, 99)}
