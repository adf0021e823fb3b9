"""A stream of its own for a test: topics under a prefix, roles as processes, and ways to look inside."""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from deploy import die_with_parent
from models.profile import Profile
from streams.settings import Settings, load_settings
from streams.topic_admin import create_topics
from streams.topic_names import TopicNames
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.state.profile import stored_profile

ROLE_PROCESS = Path(__file__).with_name("role_process.py")
REPOSITORY = Path(__file__).resolve().parents[3]
# For tests that kill workers: one is missed after so long. Elsewhere a worker that a busy machine leaves
# waiting is not to lose its partitions, and what it had in flight not to be worked on twice.
SHORT_SESSIONS = {"session_timeout_s": 3.0, "heartbeat_interval_s": 1.0}
LONG_SESSIONS = {"session_timeout_s": 45.0, "heartbeat_interval_s": 3.0}


class Stream:
    """Topics, roles and what they write. Use as a context manager: nothing is left running."""

    def __init__(
        self, bootstrap_servers: str, redis_url: str, prefix: str, logs: Path, **settings: Any
    ) -> None:
        self.prefix = prefix
        self.redis_url = redis_url
        self.logs = logs
        kafka = {"bootstrap_servers": bootstrap_servers, **LONG_SESSIONS}
        topics = {"prefix": prefix, "user_partitions": 4, "item_partitions": 4}
        self.sections: dict[str, Any] = {
            "kafka": kafka | settings.pop("kafka", {}),
            "redis": {"url": redis_url},
            "topics": topics,
            **settings,
        }
        self.settings: Settings = load_settings(**self.sections)
        self.names = TopicNames(prefix)
        self.space = fusion_in_use(self.settings, encoder_registry(self.settings)).space
        self.processes: dict[str, list[subprocess.Popen[bytes]]] = {}

    def __enter__(self) -> Stream:
        # The workers keep the time-outs of their settings; a busy Kafka may take longer for so many.
        patient = {**self.sections["kafka"], "request_timeout_s": 120.0}
        create_topics(load_settings(**{**self.sections, "kafka": patient}), spaces=[self.space])
        self.producer = KafkaProducer(
            bootstrap_servers=self.settings.kafka.bootstrap_servers, linger_ms=2, metadata_max_age_ms=1_000
        )
        self.redis = redis.Redis.from_url(self.redis_url)
        return self

    def __exit__(self, *_: object) -> None:
        for processes in self.processes.values():
            for process in processes:
                process.kill()
                process.wait()
        self.producer.close()
        self.redis.close()

    # Roles

    def start(self, *roles: str) -> list[subprocess.Popen[bytes]]:
        """Start a process for each role."""
        environment = os.environ | {
            f"FRESHET_{section.upper()}": json.dumps(values, default=str)
            for section, values in self.sections.items()
        }
        started = []
        for role in roles:
            number = len(self.processes.setdefault(role, []))
            with (self.logs / f"{self.prefix}{role}.{number}.log").open("wb") as log:
                # So that none outlives a test run that was killed.
                process = die_with_parent.spawn(
                    [sys.executable, str(ROLE_PROCESS), role],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.logs,
                    env=environment | {"PYTHONPATH": str(REPOSITORY)},
                )
            self.processes[role].append(process)
            started.append(process)
        return started

    def await_started(self, role: str, workers: int, timeout_s: float = 180.0) -> None:
        """Wait until so many processes of the role have got to their first log line."""
        deadline = time.monotonic() + timeout_s
        while self.log_of(role).count("health on") < workers:
            assert time.monotonic() < deadline, self.log_of(role)[-2_000:]
            time.sleep(0.1)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """As a machine that loses its power."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def log_of(self, role: str) -> str:
        """What the role's processes wrote."""
        return "\n".join(path.read_text() for path in sorted(self.logs.glob(f"{self.prefix}{role}.*.log")))

    def port(self, role: str) -> int:
        """Of the health endpoint of the role's newest process."""
        return int(re.findall(r"^health on (\d+)$", self.log_of(role), re.MULTILINE)[-1])

    def metric(self, role: str, name: str, **labels: str) -> float:
        """The sum of a metric over the series of a role's process with these labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port(role)}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def await_metric(
        self,
        role: str,
        name: str,
        condition: Callable[[float], bool],
        timeout_s: float = 120.0,
        **labels: str,
    ) -> float:
        """Wait until a metric is as it should be."""
        deadline = time.monotonic() + timeout_s
        while not condition(value := self.metric(role, name, **labels)):
            assert time.monotonic() < deadline, f"{name} of {role} is {value} after {timeout_s} s"
            time.sleep(0.05)
        return value

    # Topics

    def publish(self, topic: str, value: Any, key: str | None = None) -> Any:
        """Publish JSON, or bytes as they are; the future of its acknowledgement."""
        encoded = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
        return self.producer.send(
            self.prefix + topic, value=encoded, key=None if key is None else key.encode()
        )

    def publish_events(self, user_ids: Iterable[str], first: int = 0) -> int:
        """One click for each user id in turn; how many were acknowledged."""
        futures = [
            self.publish("events", event(user_id, f"{first + number}"), user_id)
            for number, user_id in enumerate(user_ids)
        ]
        for future in futures:
            future.get(timeout=120)
        return len(futures)

    def read(
        self,
        topic: str,
        until: Callable[[list[Any]], bool],
        timeout_s: float = 120.0,
        decode: Callable[[bytes], Any] = json.loads,
    ) -> list[Any]:
        """Every value, by default JSON, from the topic's start, once ``until`` holds of them."""
        name = self.prefix + topic
        consumer = KafkaConsumer(
            bootstrap_servers=self.settings.kafka.bootstrap_servers, auto_offset_reset="earliest"
        )
        try:
            partitions = [TopicPartition(name, one) for one in consumer.partitions_for_topic(name) or ()]
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            found: list[Any] = []
            deadline = time.monotonic() + timeout_s
            while not until(found):
                if time.monotonic() > deadline:
                    raise AssertionError(f"{name}: not within {timeout_s} s; {len(found)} read: {found[-3:]}")
                for records in consumer.poll(timeout_ms=100).values():
                    found += [decode(record.value) for record in records if record.value is not None]
            return found
        finally:
            consumer.close()

    # State

    def profile(self, user_id: str) -> Profile:
        """The profile in Redis."""
        value = self.redis.get(f"{self.prefix}profile:{user_id}")
        return stored_profile(user_id, value)  # type: ignore[arg-type]

    def popularity(self) -> dict[str, float]:
        """The item counters in Redis, as they were when each changed last."""
        found: dict[bytes, bytes] = self.redis.hgetall(f"{self.prefix}popularity")  # type: ignore[assignment]
        return {item_id.decode(): struct.unpack(">dd", packed)[0] for item_id, packed in found.items()}

    def await_versions(self, expected: dict[str, int], timeout_s: float = 180.0) -> None:
        """Wait until each profile has applied as many events; fails at once where one has more."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = {user_id: self.profile(user_id).version for user_id in expected}
            assert all(found[user] <= count for user, count in expected.items()), (found, expected)
            if found == expected:
                return
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {found}, expected {expected}"
            time.sleep(0.1)


def event(user_id: str, event_id: str, item_id: str = "", **fields: Any) -> dict[str, Any]:
    """A click, now."""
    return {
        "event_id": event_id,
        "user_id": user_id,
        "item_id": item_id or f"item-{event_id}",
        "action": "click",
        "occurred_at": datetime.now(UTC).isoformat(),
        **fields,
    }


def request(user_id: str, request_id: str, **fields: Any) -> dict[str, Any]:
    """A request for a list."""
    return {"request_id": request_id, "user_id": user_id, **fields}


def item_ids(recommendation: dict[str, Any]) -> list[str]:
    """What a list recommends, in order."""
    return [one["item_id"] for one in recommendation["items"]]


def caused_by(found: Sequence[dict[str, Any]], cause_id: str) -> dict[str, Any] | None:
    """The first list for a cause; None while there is none."""
    return next((one for one in found if one["cause"]["id"] == cause_id), None)
