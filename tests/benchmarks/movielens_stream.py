"""Real input at size: MovieLens-100k through Kafka and every role.

    python tests/benchmarks/movielens_stream.py --data FOLDER [--json OUT]

FOLDER holds `items.jsonl`, `posters.zip` and `ratings.csv.gz`. Publishes the 1,682 items with plots and
posters, then replays 20,000 ratings: first 15,000 as history, as fast as they go (old, so no lists), then
5,000 as they happen, at a fixed rate, and measures the time from each event until a consumer has read the
first list that covers it (where events of a person were coalesced, `profile_version` tells).
A late publisher counts against the latency: an event's time runs from when it was due.
"""

from __future__ import annotations

import argparse
import base64
import csv
import gzip
import json
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import redis
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from deploy.embedded import EmbeddedKafka, EmbeddedRedis
from models.profile import decode_profile
from streams.settings import Settings, load_settings
from streams.topic_admin import create_topics
from streams.topic_names import TopicNames
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.process_memory import pss_bytes, tree_pss_bytes
from workers.roles import ROLES
from workers.state.store import VERSION_BYTES
from workers.supervisor import Supervisor

HISTORY_EVENTS = 15_000
LIVE_EVENTS = 5_000
MEBIBYTE = 1 << 20


def items(data: Path) -> Iterator[dict[str, Any]]:
    """The films as the contract's items."""
    with zipfile.ZipFile(data / "posters.zip") as posters, (data / "items.jsonl").open() as lines:
        names = {Path(name).stem: name for name in posters.namelist()}
        for line in lines:
            film = json.loads(line)
            item_id = str(film["item_id"])
            item: dict[str, Any] = {
                "item_id": item_id,
                "title": film.get("title") or "",
                "description": film.get("plot") or "",
                "attributes": {"genres": film.get("genres") or []},
            }
            if item_id in names:
                poster = base64.b64encode(posters.read(names[item_id])).decode()
                item["media"] = [{"kind": "image", "data": poster}]
            yield item


def ratings(data: Path, count: int) -> list[dict[str, str]]:
    """The first ratings, in order of time."""
    with gzip.open(data / "ratings.csv.gz", "rt") as lines:
        return [row for _, row in zip(range(count), csv.DictReader(lines), strict=False)]


def event(number: int, row: dict[str, str], occurred_at: datetime) -> dict[str, Any]:
    """A rating as the contract's event."""
    return {
        "event_id": f"rating-{number}",
        "user_id": row["user_id"],
        "item_id": row["item_id"],
        "action": "rate",
        "value": float(row["rating"]),
        "occurred_at": occurred_at.isoformat(),
    }


class Run:
    """One run against a started stack."""

    def __init__(self, settings: Settings, redis_url: str, progress: Progress) -> None:
        self.names = TopicNames(settings.topics.prefix)
        self.prefix = settings.topics.prefix
        self.servers = settings.kafka.bootstrap_servers
        self.space = fusion_in_use(settings, encoder_registry(settings)).space
        self.producer = KafkaProducer(bootstrap_servers=self.servers, linger_ms=2, max_request_size=9 << 20)
        self.redis = redis.Redis.from_url(redis_url)
        self.progress = progress

    def publish_items(self, data: Path) -> dict[str, float]:
        """Publish every film, and wait until each has all its modalities fused."""
        films = list(items(data))
        wanted = sum(1 + bool(film.get("media")) for film in films)
        started = time.perf_counter()
        for film in films:
            self.producer.send(
                self.names.items, key=film["item_id"].encode(), value=json.dumps(film).encode()
            )
        self.producer.flush()
        bar = self.progress.add_task("films fused, by modality", total=wanted)
        while (done := self._fused_modalities(films)) < wanted:
            self.progress.update(bar, completed=done)
            time.sleep(0.25)
        self.progress.update(bar, completed=wanted)
        seconds = time.perf_counter() - started
        return {"items": len(films), "seconds": seconds, "items_per_s": len(films) / seconds}

    def _fused_modalities(self, films: list[dict[str, Any]]) -> int:
        from workers.state.item import decode_item_state

        stored = self.redis.mget([f"{self.prefix}item:{film['item_id']}" for film in films])
        return sum(len(decode_item_state(value).fusable()) for value in stored)  # type: ignore[union-attr,arg-type]

    def replay_history(self, rows: list[dict[str, str]]) -> dict[str, float]:
        """Publish at full speed, and wait until every event is in its profile."""
        started = time.perf_counter()
        for number, row in enumerate(rows):
            at = datetime.fromtimestamp(int(row["timestamp"]), UTC)
            self._send_event(event(number, row, at))
        self.producer.flush()
        published = time.perf_counter() - started
        self._await_versions(Counter(row["user_id"] for row in rows), "history applied")
        seconds = time.perf_counter() - started
        return {
            "events": len(rows),
            "publish_seconds": published,
            "seconds": seconds,
            "events_per_s": len(rows) / seconds,
        }

    def replay_live(self, rows: list[dict[str, str]], history: Counter[str], rate: float) -> dict[str, float]:
        """Publish at a fixed rate; latency from when an event was due until a list covers it."""
        lists: list[tuple[str, int, float]] = []
        stop, reading = threading.Event(), threading.Event()
        reader = threading.Thread(target=self._read_lists, args=(lists, stop, reading))
        reader.start()
        reading.wait()
        # (user, version of the profile with this event) → when the event was due
        due: dict[tuple[str, int], float] = {}
        versions = history.copy()
        first = history.total()
        bar = self.progress.add_task("events as they happen", total=len(rows))
        started = time.perf_counter()
        for number, row in enumerate(rows):
            due_s = started + number / rate
            time.sleep(max(0.0, due_s - time.perf_counter()))
            message = event(first + number, row, datetime.now(UTC))
            versions[row["user_id"]] += 1
            due[row["user_id"], versions[row["user_id"]]] = due_s
            self._send_event(message)
            if number % 100 == 0:
                self.progress.update(bar, completed=number)
        self.producer.flush()
        covered: dict[tuple[str, int], float] = {}
        deadline = time.perf_counter() + 30.0
        while len(covered) < len(due) and time.perf_counter() < deadline:
            time.sleep(0.2)
            covered = _covered(due, lists)
        stop.set()
        reader.join()
        self.progress.update(bar, completed=len(rows))
        latency_ms = np.array([1_000 * (covered[one] - due[one]) for one in covered])
        p50, p95, p99 = np.percentile(latency_ms, [50, 95, 99])
        return {
            "events": len(rows),
            "rate_per_s": rate,
            "covered": len(covered),
            "lists": len(lists),
            "p50_ms": p50,
            "p95_ms": p95,
            "p99_ms": p99,
            "max_ms": latency_ms.max(),
        }

    def _send_event(self, message: dict[str, Any]) -> None:
        self.producer.send(
            self.names.events, key=message["user_id"].encode(), value=json.dumps(message).encode()
        )

    def _read_lists(
        self, lists: list[tuple[str, int, float]], stop: threading.Event, reading: threading.Event
    ) -> None:
        topic = self.names.recommendations
        consumer = KafkaConsumer(bootstrap_servers=self.servers, auto_offset_reset="latest")
        partitions = [TopicPartition(topic, one) for one in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        consumer.seek_to_end(*partitions)
        for partition in partitions:
            consumer.position(partition)
        reading.set()
        while not stop.is_set():
            for records in consumer.poll(timeout_ms=50).values():
                now = time.perf_counter()
                for record in records:
                    made = json.loads(record.value)
                    lists.append((made["user_id"], made["profile_version"], now))
        consumer.close()

    def _await_versions(self, expected: Counter[str], title: str) -> None:
        bar = self.progress.add_task(title, total=expected.total())
        keys = [f"{self.prefix}profile:{user}" for user in expected]
        while True:
            stored = self.redis.mget(keys)
            done = sum(
                decode_profile(value[VERSION_BYTES:]).version  # type: ignore[union-attr]
                for value in stored  # type: ignore[union-attr]
                if value is not None
            )
            self.progress.update(bar, completed=done)
            if done == expected.total():
                return
            if done > expected.total():
                raise AssertionError(f"{done} effects of {expected.total()} events")
            time.sleep(0.05)

    def check_every_effect_once(self, rows: list[dict[str, str]]) -> int:
        """Every profile has exactly its events; how many people that is."""
        expected = Counter(row["user_id"] for row in rows)
        for user, count in expected.items():
            stored = self.redis.get(f"{self.prefix}profile:{user}")
            version = decode_profile(stored[VERSION_BYTES:]).version  # type: ignore[index]
            if version != count:
                raise AssertionError(f"user {user}: {version} effects of {count} events")
        return len(expected)


def _covered(
    due: dict[tuple[str, int], float], lists: list[tuple[str, int, float]]
) -> dict[tuple[str, int], float]:
    """When each event was first covered by a list of its person."""
    covered: dict[tuple[str, int], float] = {}
    for user, version, at in lists:
        while (user, version) in due and (user, version) not in covered:
            covered[user, version] = at
            version -= 1
    return covered


def main() -> None:
    """Run it, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=200.0, help="events/s of the live part")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    console = Console()
    rows = ratings(options.data, HISTORY_EVENTS + LIVE_EVENTS)
    report: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedKafka(Path(folder) / "kafka") as kafka,
        EmbeddedRedis(Path(folder) / "redis") as redis_server,
    ):
        flags = {"kafka": {"bootstrap_servers": kafka.bootstrap_servers}, "redis": {"url": redis_server.url}}
        settings = load_settings(**flags)
        with (
            Progress(console=console) as progress,
            Supervisor(flags=flags, log_folder=Path(folder) / "logs") as supervisor,
        ):
            run = Run(settings, redis_server.url, progress)
            create_topics(settings, spaces=[run.space])
            for role in ROLES:
                supervisor.start(role)
            supervisor.wait_ready()
            report["items"] = run.publish_items(options.data)
            report["history"] = run.replay_history(rows[:HISTORY_EVENTS])
            history = Counter(row["user_id"] for row in rows[:HISTORY_EVENTS])
            report["live"] = run.replay_live(rows[HISTORY_EVENTS:], history, options.rate)
            report["people"] = run.check_every_effect_once(rows)
            report["memory_mib"] = {
                name: size / MEBIBYTE
                for name, size in [
                    ("kafka", pss_bytes(kafka.pid)),
                    ("redis", pss_bytes(redis_server.pid)),
                    *((one.name, tree_pss_bytes(one.pid)) for one in supervisor.workers() if one.pid),
                ]
            }
    for part, figures in report.items():
        if isinstance(figures, dict):
            table = Table(title=part)
            for name in figures:
                table.add_column(name)
            table.add_row(*(f"{value:,.1f}" for value in figures.values()))
            console.print(table)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
