"""The recommend role's own time with everything on, at a fixed rate of events, for one size of catalogue.

    python -m tests.benchmarks.cascade_latency --items 10000 [--rate 50] [--seconds 60] [--json OUT]

Starts Kafka, Redis and the roles that a person's events pass (profile, recommend, learn). The catalogue is
synthetic: vectors around 200 centres, published straight to `item-vectors`, as it is not the encoders that
are measured. 12,000 events of 2,000 people with tastes are history; then events come at the rate, each
with its list, while the ranker learns. What is read are the role's own histograms (`freshet_list_seconds`,
`freshet_list_processor_seconds`, which leaves out waiting for a core, and `freshet_observe_seconds`), so a
percentile is the upper bound of its bucket, and, from outside, the time from when an event was due until
its list was read. The base scorer in the same run is the baseline. 100,000 items take several minutes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from kafka import KafkaProducer
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from deploy.embedded import EmbeddedKafka, EmbeddedRedis
from streams.codec import encode
from streams.internal_messages import ItemVector, ItemVersion
from streams.settings import Settings, load_settings
from streams.topic_admin import create_topics
from streams.topic_names import TopicNames
from tests.benchmarks.load import Load, latencies
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.supervisor import Supervisor

CENTRES = 200
PEOPLE = 2_000
HISTORY_EVENTS = 12_000
READY_TIMEOUT_S = 300.0
WARM_UP_S = 10.0
# Of the recommend role.
HISTOGRAMS = ("freshet_list_seconds", "freshet_list_processor_seconds", "freshet_observe_seconds")


class World:
    """Items around centres, and people who like some of these. Seeded."""

    def __init__(self, items: int, dimension: int, seed: int = 7) -> None:
        self._random = np.random.default_rng(seed)
        centres = self._random.normal(size=(CENTRES, dimension))
        self.centre_of = self._random.integers(0, CENTRES, items)
        vectors = centres[self.centre_of] + 0.7 * self._random.normal(size=(items, dimension))
        self.vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f2")
        self._by_centre = [np.flatnonzero(self.centre_of == centre) for centre in range(CENTRES)]
        self._tastes = self._random.integers(0, CENTRES, (PEOPLE, 4))
        self._likes: dict[int, int] = {}

    def records(self) -> Iterator[tuple[str, bytes]]:
        """Every item's vector as the fuse role publishes it."""
        born = datetime.now(UTC) - timedelta(days=30)
        for number, vector in enumerate(self.vectors):
            message = ItemVector(
                item_id=f"item-{number}",
                version=ItemVersion(1, 0, number, 0),
                revision=1,
                vector=vector.tobytes(),
                modalities=["text"],
                title=f"Item {number}",
                attributes={"category": f"c{self.centre_of[number] % 20}"},
                created_at=born,
            )
            yield message.item_id, encode(message)

    def event(self) -> dict[str, Any]:
        """Somebody likes something to their taste; what many like, more."""
        person = int(self._random.integers(0, PEOPLE))
        mine = self._by_centre[int(self._random.choice(self._tastes[person]))]
        item = int(mine[min(len(mine) - 1, int(self._random.exponential(len(mine) / 4)))])
        return {
            "user_id": f"person-{person}",
            "item_id": f"item-{item}",
            "action": "like",
        }


def percentile(counts: dict[float, float], share: float) -> float:
    """The upper bound of the bucket that holds this share of what was counted, in seconds."""
    total = counts[float("inf")]
    return next(bound for bound, count in sorted(counts.items()) if count >= share * total)


class Run:
    """One ranker, measured."""

    def __init__(self, world: World, settings: Settings, supervisor: Supervisor, space: str) -> None:
        self._world = world
        self._names = TopicNames(settings.topics.prefix)
        self._settings = settings
        self._supervisor = supervisor
        self._producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers, linger_ms=1)
        self._vectors_topic = self._names.item_vectors(space)

    def prepare(self) -> None:
        """Publish catalogue and history; start what follows them once they are there."""
        for item_id, value in self._world.records():
            self._producer.send(self._vectors_topic, key=item_id.encode(), value=value)
        begin = datetime.now(UTC) - timedelta(days=20)
        for number in range(HISTORY_EVENTS):
            occurred_at = (begin + timedelta(seconds=60 * number)).isoformat()
            event = {**self._world.event(), "event_id": f"e-{number}", "occurred_at": occurred_at}
            self._producer.send(
                self._names.events, key=event["user_id"].encode(), value=json.dumps(event).encode()
            )
        self._producer.flush()
        self._supervisor.start("profile")
        self._supervisor.wait_ready()
        while self._metric("profile", "freshet_profile_events_total") < HISTORY_EVENTS:
            time.sleep(0.5)
        self._supervisor.start("recommend")
        self._supervisor.start("learn")
        # Both read the whole catalogue and all histories first.
        self._supervisor.wait_ready(READY_TIMEOUT_S)
        if self._settings.recommend.ranker == "cascade":
            # The training over the history is no part of what goes on all day; those after it are.
            while not self._metric("learn", "freshet_refit_seconds_count"):
                time.sleep(0.5)

    def measure(self, rate: float, seconds: float) -> dict[str, float]:
        """Events at the rate; percentiles of what they took."""

        def act(number: int) -> dict[str, Any]:
            return self._world.event()

        with Load(self._settings, rate, act) as load:
            time.sleep(WARM_UP_S)
            before, begin_s = self._histograms(), time.perf_counter()
            time.sleep(seconds)
            end_s = time.perf_counter()
        found: dict[str, float] = {}
        for name, counts in self._histograms().items():
            grown = {bound: count - before[name].get(bound, 0.0) for bound, count in counts.items()}
            for share in (0.5, 0.95, 0.99):
                if grown[float("inf")]:
                    found[f"{name}_p{round(100 * share)}_ms"] = 1_000 * percentile(grown, share)
        events, lists = load.due_between(begin_s, end_s)
        found |= {"events": events, "lists": len(lists), **latencies(lists, "event_to_list_")}
        return found

    def _families(self, role: str) -> list[Any]:
        (worker,) = [one for one in self._supervisor.workers() if one.role == role]
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/metrics", timeout=10) as answer:
            return list(text_string_to_metric_families(answer.read().decode()))

    def _metric(self, role: str, name: str) -> float:
        samples = [one for family in self._families(role) for one in family.samples]
        return sum(sample.value for sample in samples if sample.name == name)

    def _histograms(self) -> dict[str, dict[float, float]]:
        found: dict[str, dict[float, float]] = {}
        for family in self._families("recommend"):
            if family.name in HISTOGRAMS:
                name = family.name.removeprefix("freshet_").removesuffix("_seconds")
                found[name] = {
                    float(one.labels["le"]): one.value
                    for one in family.samples
                    if one.name.endswith("_bucket")
                }
        return found


def run(items: int, ranker: str, rate: float, seconds: float) -> dict[str, float]:
    """Start everything anew with one ranker, and measure."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedKafka(Path(folder) / "kafka") as kafka,
        EmbeddedRedis(Path(folder) / "redis") as redis_server,
    ):
        flags: dict[str, dict[str, Any]] = {
            "kafka": {"bootstrap_servers": kafka.bootstrap_servers},
            "redis": {"url": redis_server.url},
            "recommend": {"ranker": ranker},
            "rerank": {
                "diversity": 0.1,
                "max_per_attribute": {"category": 8},
                "new_item_slots": 1,
                "exploration": "epsilon",
            },
        }
        settings = load_settings(**flags)
        space = fusion_in_use(settings, encoder_registry(settings))
        create_topics(settings, spaces=[space.space])
        with Supervisor(flags=flags, log_folder=Path(folder) / "logs") as supervisor:
            one = Run(World(items, space.dimension), settings, supervisor, space.space)
            one.prepare()
            return one.measure(rate, seconds)


def main() -> None:
    """Measure both rankers, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=50.0, help="events/s")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--ranker", choices=("base", "cascade"), help="one of them alone")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rankers = ("base", "cascade") if options.ranker is None else (options.ranker,)
    report = {ranker: run(options.items, ranker, options.rate, options.seconds) for ranker in rankers}
    table = Table("figure", *report, title=f"{options.items:,} items, {options.rate:g} events/s")
    for name in report[rankers[-1]]:
        table.add_row(name, *(f"{figures.get(name, float('nan')):,.2f}" for figures in report.values()))
    Console().print(table)
    if options.json:
        options.json.write_text(json.dumps({"items": options.items, **report}, indent=2) + "\n")


if __name__ == "__main__":
    main()
