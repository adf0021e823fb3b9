"""Whether the console slows lists: latency under load with pages that follow, and with the console stopped.

    python -m tests.benchmarks.console_load [--rate 25] [--seconds 20] [--rounds 3] [--pages 8] [--json OUT]

Starts Kafka, Redis, every role and the console, with the demo's catalogue. Events of 40 people come at a
fixed rate all the time. In turn the console runs with so many pages open (each follows a person of the load,
the flow and the dead letters), and is stopped in the middle of the load, again and again, so that what else
the machine does falls on both. What is told of each: from when an event was due until its list was read, by
a consumer of its own, and the processor time of the recommend worker for each list.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from rich.console import Console
from rich.table import Table

from deploy.demo.catalogue import load_catalogue
from streams.client import FreshetClient
from streams.topic_names import TopicNames
from workers.demo.stage import stage, wait_until_encoded
from workers.local_deployment import LocalDeployment

PEOPLE = 40
SETTLE_S = 3.0


class Load:
    """Events at a fixed rate, and the lists that answer them."""

    def __init__(self, deployment: LocalDeployment, item_ids: Sequence[str], rate: float) -> None:
        kafka = deployment.settings.kafka.bootstrap_servers
        names = TopicNames(deployment.settings.topics.prefix)
        self._topic, self._lists = names.events, names.recommendations
        self._item_ids, self._rate = item_ids, rate
        self._random = random.Random(7)
        self._producer = KafkaProducer(bootstrap_servers=kafka, linger_ms=0)
        self._consumer = KafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="latest")
        partitions = [
            TopicPartition(self._lists, one) for one in self._consumer.partitions_for_topic(self._lists)
        ]
        self._consumer.assign(partitions)
        self._consumer.seek_to_end(*partitions)
        self._due: dict[str, tuple[float, str]] = {}
        self.phase = "warm-up"
        self.latencies_ms: dict[str, list[float]] = {}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._read)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._producer.close()
        self._consumer.close()

    def _send(self) -> None:
        began, number = time.perf_counter(), 0
        while not self._stop.is_set():
            due = began + number / self._rate
            time.sleep(max(0.0, due - time.perf_counter()))
            event_id, user = f"load-{number}", f"load-{self._random.randrange(PEOPLE)}"
            event = {
                "event_id": event_id,
                "user_id": user,
                "item_id": self._random.choice(self._item_ids),
                "action": "view",
                "occurred_at": datetime.now(UTC).isoformat(),
            }
            self._due[event_id] = (due, self.phase)
            self._producer.send(self._topic, key=user.encode(), value=json.dumps(event).encode())
            number += 1

    def _read(self) -> None:
        while not self._stop.is_set():
            for records in self._consumer.poll(timeout_ms=50).values():
                now = time.perf_counter()
                for record in records:
                    found = self._due.pop(json.loads(record.value)["cause"]["id"], None)
                    if found is not None:
                        self.latencies_ms.setdefault(found[1], []).append(1_000 * (now - found[0]))


@contextmanager
def page(address: str, user: str) -> Iterator[None]:
    """A page that follows, read in a thread as a browser would."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request("GET", f"/api/stream?user={user}&follow=flow&follow=letters")
    answer = connection.getresponse()

    def read() -> None:
        try:
            while answer.read1(1 << 16):
                pass
        except (OSError, ValueError, AttributeError):
            return

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield
    finally:
        connection.close()


def processor_s(pid: int) -> float:
    """Processor time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(rate: float, seconds: float, rounds: int, pages: int) -> dict[str, dict[str, float]]:
    """Both phases in turn."""
    catalogue = load_catalogue()
    used_s = {"with pages": 0.0, "stopped": 0.0}
    with stage({"console": {"port": 0}}, catalogue, print) as deployment:
        settings = deployment.settings
        with FreshetClient(settings.kafka, settings.topics.prefix) as client:
            client.publish_items(catalogue.items)
        wait_until_encoded(deployment, catalogue.items, lambda done, total: None)
        (pid,) = deployment.supervisor.pids("recommend")
        with Load(deployment, [item.item_id for item in catalogue.items], rate) as load:
            time.sleep(10.0)
            for _ in range(rounds):
                for phase in used_s:
                    with ExitStack() as open_pages:
                        if phase == "with pages":
                            deployment.start_console()
                            for number in range(pages):
                                assert deployment.console_address is not None
                                open_pages.enter_context(page(deployment.console_address, f"load-{number}"))
                        load.phase = "between"
                        time.sleep(SETTLE_S)
                        before = processor_s(pid)
                        load.phase = phase
                        time.sleep(seconds)
                        used_s[phase] += processor_s(pid) - before
                        load.phase = "between"
                    deployment.stop_console()
                    deployment.poll()
            time.sleep(2.0)
    found = {}
    for phase, used in used_s.items():
        values = np.array(load.latencies_ms[phase])
        found[phase] = {
            "lists": float(len(values)),
            **{f"p{share}_ms": float(np.percentile(values, share)) for share in (50, 95, 99)},
            "recommend_ms_a_list": 1_000 * used / len(values),
        }
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rate", type=float, default=25.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pages", type=int, default=8)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = measure(given.rate, given.seconds, given.rounds, given.pages)
    table = Table("console", "lists", "p50 ms", "p95 ms", "p99 ms", "processor ms a list")
    for phase, figures in found.items():
        table.add_row(phase, f"{figures['lists']:.0f}", *(f"{one:.1f}" for one in list(figures.values())[1:]))
    Console().print(table)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
