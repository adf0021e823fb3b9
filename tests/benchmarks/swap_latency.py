"""What a swap of the fusion does to the latency of lists, under load.

    python -m tests.benchmarks.swap_latency [--items 10000] [--rate 25] [--seconds 30] [--ranker cascade]

Starts Kafka, Redis and the roles that a swap concerns (fuse, profile, recommend, learn). The catalogue is
synthetic: text features around 200 centres, published straight to `item-features`, as it is not the encoders
that are measured. People act at a fixed rate all the while, each event with its list. Before the swap, for
so many seconds; then a bundle of random weights is announced and activated, which lasts from the announcement
until the first list of the new space; then for as many seconds after it; then a rollback.

Printed for each phase: the time from when an event was due until its list was read (p50, p99, greatest), as a
ratio to before, how many lists did not come, the longest time without any list, and how many lists of each
space there were. A list that is late also counts where the machine was busy with something else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from rich.console import Console
from rich.table import Table

from deploy.embedded import EmbeddedKafka, EmbeddedRedis
from streams.internal_messages import FeatureMessage, ItemDeclared, ItemFeature, ItemVersion
from streams.settings import Settings, load_settings
from streams.topic_admin import create_topics
from streams.topic_names import TopicNames
from tests.benchmarks.load import Load
from tests.unit.swap.random_fusion import write_bundle
from workers.encoders_in_use import encoder_registry, fusion_in_use, specs_in_use
from workers.feature_records import feature_record
from workers.supervisor import Supervisor

CENTRES = 200
PEOPLE = 2_000
WARM_UP_S = 10.0
SWAP_TIMEOUT_S = 600.0
READY_TIMEOUT_S = 300.0


def acts(items: int) -> Callable[[int], dict[str, Any]]:
    """Anybody likes anything; seeded."""
    random = np.random.default_rng(11)

    def act(number: int) -> dict[str, Any]:
        user, item = (int(random.integers(0, limit)) for limit in (PEOPLE, items))
        return {"user_id": f"person-{user}", "item_id": f"item-{item}", "action": "like"}

    return act


def figures(load: Load, begin_s: float, end_s: float) -> dict[str, Any]:
    """Of the events that were due within these times."""
    events, found = load.due_between(begin_s, end_s)
    latency_ms = [one.latency_ms for one in found]
    reads = sorted(one.read_s for one in found)
    return {
        "seconds": end_s - begin_s,
        "events": events,
        "lists that did not come": events - len(found),
        "p50 ms": float(np.percentile(latency_ms, 50)),
        "p99 ms": float(np.percentile(latency_ms, 99)),
        "greatest ms": max(latency_ms),
        "longest without a list ms": 1_000 * float(np.diff(reads).max()),
        "lists by model": dict(Counter(one.model for one in found)),
    }


def features(items: int, dimension: int, encoder: str) -> Iterator[FeatureMessage]:
    """Items with a text each, around centres."""
    random = np.random.default_rng(7)
    centres = random.normal(size=(CENTRES, dimension))
    centre_of = random.integers(0, CENTRES, items)
    for number, centre in enumerate(centre_of):
        vector = centres[centre] + 0.7 * random.normal(size=dimension)
        version = ItemVersion(1, 0, number, 0)
        item_id, source = f"item-{number}", f"source-{number}"
        yield ItemDeclared(
            item_id=item_id,
            version=version,
            title=f"Item {number}",
            attributes={"category": f"c{centre % 20}"},
            created_at=datetime.now(UTC),
            sources={"text": source},
        )
        yield ItemFeature(
            item_id=item_id,
            version=version,
            modality="text",
            encoder=encoder,
            source_hash=source,
            content_hash=source,
            vector=(vector / np.linalg.norm(vector)).astype("<f4").tobytes(),
        )


def publish_features(settings: Settings, items: int) -> None:
    """The catalogue, as encode roles publish it."""
    names = TopicNames(settings.topics.prefix)
    spec = specs_in_use(settings, encoder_registry(settings))["text"]
    producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers, linger_ms=20)
    for message in features(items, spec.dimension, spec.name):
        record = feature_record(names, settings, message)
        producer.send(record.topic, key=record.key, value=record.value, partition=record.partition)
    producer.flush()
    producer.close()


def await_items(settings: Settings, space: str, items: int) -> None:
    """Wait until the vectors of all items are in Kafka."""
    topic = TopicNames(settings.topics.prefix).item_vectors(space)
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka.bootstrap_servers)
    partitions = [TopicPartition(topic, one) for one in consumer.partitions_for_topic(topic)]
    deadline_s = time.monotonic() + SWAP_TIMEOUT_S
    while sum(consumer.end_offsets(partitions).values()) < items:
        if time.monotonic() > deadline_s:
            raise SystemExit("the fuse role does not keep up: the machine is too slow for so many items")
        time.sleep(0.5)
    consumer.close()


def run(items: int, rate: float, seconds: float, ranker: str) -> dict[str, dict[str, Any]]:
    """Start everything, swap and go back; figures by phase."""
    with (
        tempfile.TemporaryDirectory() as name,
        EmbeddedKafka(Path(name) / "kafka") as kafka,
        EmbeddedRedis(Path(name) / "redis") as redis_server,
    ):
        folder = Path(name)
        flags: dict[str, dict[str, Any]] = {
            "kafka": {"bootstrap_servers": kafka.bootstrap_servers},
            "redis": {"url": redis_server.url},
            "recommend": {"ranker": ranker},
            "models": {"folder": str(folder / "models")},
        }
        settings = load_settings(**flags)
        registry = encoder_registry(settings)
        start = fusion_in_use(settings, registry)
        create_topics(settings, [start.space])
        publish_features(settings, items)
        bundle = folder / "bundle"
        text = specs_in_use(settings, registry)["text"]
        write_bundle(bundle, {"text": text}, dimension=start.dimension, seed=3)

        def models(*arguments: str) -> None:
            environment = os.environ | {
                f"FRESHET_{section.upper()}": json.dumps(values) for section, values in flags.items()
            }
            subprocess.run(
                [sys.executable, "-m", "workers.cli", "models", *arguments],
                env=environment,
                check=True,
                timeout=SWAP_TIMEOUT_S,
            )

        with Supervisor(flags=flags, log_folder=folder / "logs") as supervisor:
            supervisor.start("fuse")
            supervisor.wait_ready(READY_TIMEOUT_S)
            await_items(settings, start.space, items)
            for role in ("profile", "recommend", *(("learn",) if ranker == "cascade" else ())):
                supervisor.start(role)
            supervisor.wait_ready(READY_TIMEOUT_S)
            with Load(settings, rate, acts(items)) as load:
                time.sleep(WARM_UP_S)
                marks = [time.perf_counter()]
                time.sleep(seconds)
                marks.append(time.perf_counter())
                models("announce", str(bundle), "random@1")
                serving = load.model
                models("activate", "random@1")
                await_other(load, serving)
                marks.append(time.perf_counter())
                time.sleep(seconds)
                marks.append(time.perf_counter())
                before = len(load.lists)
                serving = load.model
                models("rollback")
                await_other(load, serving)
                marks.append(time.perf_counter())
            assert before < len(load.lists)
            phases = ("before", "during", "after", "rollback")
            return {phase: figures(load, *marks[at : at + 2]) for at, phase in enumerate(phases)}


def await_other(load: Load, model: str) -> None:
    """Wait until a list is of another model than this."""
    deadline_s = time.monotonic() + SWAP_TIMEOUT_S
    while load.model == model:
        if time.monotonic() > deadline_s:
            raise SystemExit("no list of the new space has come")
        time.sleep(0.02)


def main() -> None:
    """Measure, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=25.0, help="events/s")
    parser.add_argument("--seconds", type=float, default=30.0, help="before, and after")
    parser.add_argument("--ranker", choices=("base", "cascade"), default="cascade")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = run(options.items, options.rate, options.seconds, options.ranker)
    normal = found["before"]
    for figures in found.values():
        figures["p99 over that before"] = figures["p99 ms"] / normal["p99 ms"]
        figures["p50 over that before"] = figures["p50 ms"] / normal["p50 ms"]
    table = Table(
        "figure", *found, title=f"{options.items:,} items, {options.rate:g} events/s, {options.ranker}"
    )
    for name in normal:
        table.add_row(name, *(_shown(figures[name]) for figures in found.values()))
    Console().print(table)
    if options.json:
        settings = {"items": options.items, "rate": options.rate, "ranker": options.ranker}
        options.json.write_text(json.dumps({**settings, "phases": found}, indent=2) + "\n")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"


if __name__ == "__main__":
    main()
