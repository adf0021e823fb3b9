"""Whether what reads lists slows them: latency under load with consumers of lists running, and stopped.

    python -m tests.benchmarks.consumers_load [--rate 25] [--seconds 20] [--rounds 3] [--pages 8] [--json OUT]

Starts Kafka, Redis, every role, the console and a language model's endpoint, with the demo's catalogue.
Events of 40 people come at a fixed rate all the time, and every list is to be explained. In turn, again and
again, so that what else the machine does falls on all: everything runs, with so many pages of the console
open (each follows a person of the load, the flow and the dead letters); the console is stopped in the middle
of the load; the explain role is; the endpoint is killed. What is told of each: from when an event was due
until its list was read, by a consumer of its own, the processor time of the recommend worker for each list,
and how many lists got words, and words of the model. The endpoint answers by rules: it shows what waits on
it and what fails, and takes little of the machine itself.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from deploy.demo.catalogue import load_catalogue
from deploy.embedded.ports import free_port
from streams.client import FreshetClient
from streams.topic_names import TopicNames
from tests.benchmarks.load import Listed, Load, latencies
from tests.unit.explaining.chat_server import ChatServer
from workers.demo.stage import stage, wait_until_encoded
from workers.flags import Flags, merged
from workers.local_deployment import LocalDeployment
from workers.roles import ROLES
from workers.supervisor import Supervisor

PEOPLE = 40
SETTLE_S = 3.0
MODEL: Final = "endpoint"
EVERYTHING: Final = "everything runs"
CONSOLE: Final = "console stopped"
EXPLAIN: Final = "explain role stopped"
ENDPOINT: Final = "endpoint killed"
PHASES: Final = (EVERYTHING, CONSOLE, EXPLAIN, ENDPOINT)


def acts(item_ids: Sequence[str]) -> Callable[[int], dict[str, str]]:
    """Few people view anything; seeded."""
    choose = random.Random(7)

    def act(number: int) -> dict[str, str]:
        user_id = f"load-{choose.randrange(PEOPLE)}"
        return {"user_id": user_id, "item_id": choose.choice(item_ids), "action": "view"}

    return act


class Words:
    """Counts of explanations that came, by phase."""

    def __init__(self) -> None:
        self.phase = "warm-up"
        self.explained: Counter[str] = Counter()
        self.by_model: Counter[str] = Counter()

    def take(self, value: bytes) -> None:
        """One explanation."""
        self.explained[self.phase] += 1
        self.by_model[self.phase] += MODEL in json.loads(value)["generator"]


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


def _serve(port: int) -> None:
    with ChatServer(port=port):
        threading.Event().wait()


@contextmanager
def endpoint(port: int) -> Iterator[None]:
    """A language model's endpoint in a process of its own, killed at the end."""
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(port,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


@contextmanager
def explain_role(deployment: LocalDeployment, flags: Flags) -> Iterator[None]:
    """A worker of the explain role."""
    own = {
        "kafka": {"bootstrap_servers": deployment.settings.kafka.bootstrap_servers},
        "redis": {"url": deployment.settings.redis.url.get_secret_value()},
    }
    with Supervisor(flags=merged(flags, own), log_folder=deployment.log_folder, say=print) as supervisor:
        supervisor.start("explain")
        supervisor.wait_ready()
        yield


@contextmanager
def console_with_pages(deployment: LocalDeployment, pages: int) -> Iterator[None]:
    """The console, and so many pages that follow."""
    deployment.start_console()
    try:
        with ExitStack() as opened:
            for number in range(pages):
                assert deployment.console_address is not None
                opened.enter_context(page(deployment.console_address, f"load-{number}"))
            yield
    finally:
        deployment.stop_console()


def measure(rate: float, seconds: float, rounds: int, pages: int) -> dict[str, dict[str, float]]:
    """All phases in turn."""
    catalogue = load_catalogue()
    used_s = dict.fromkeys(PHASES, 0.0)
    times: dict[str, list[tuple[float, float]]] = {phase: [] for phase in PHASES}
    words = Words()
    port = free_port()
    flags: Flags = {
        "console": {"port": 0},
        "explain": {"generator": "language_model", "sample_share": 1.0},
        "language_model": {
            "base_url": f"http://127.0.0.1:{port}/v1",
            "model": MODEL,
            "tokens_per_minute": 0,
            "tokens_per_day": 0,
            "cache_entries": 0,
        },
    }
    roles = [role for role in ROLES if role != "explain"]
    with stage(flags, catalogue, print, roles=roles) as deployment:
        settings = deployment.settings
        with FreshetClient(settings.kafka, settings.topics.prefix) as client:
            client.publish_items(catalogue.items)
        wait_until_encoded(deployment, catalogue.items, lambda done, total: None)
        (pid,) = deployment.supervisor.pids("recommend")
        running: dict[str, AbstractContextManager[None]] = {}

        def start(part: str) -> None:
            if part == ENDPOINT:
                running[part] = endpoint(port)
            elif part == EXPLAIN:
                # Only settings that workers know: the stage's own are for what it starts itself.
                running[part] = explain_role(deployment, flags)
            else:
                running[part] = console_with_pages(deployment, pages)
            running[part].__enter__()

        def stop(part: str) -> None:
            running.pop(part).__exit__(None, None, None)

        try:
            for part in (ENDPOINT, EXPLAIN, CONSOLE):
                start(part)
            explanations = TopicNames(settings.topics.prefix).explanations
            act = acts([item.item_id for item in catalogue.items])
            with Load(settings, rate, act, {explanations: words.take}) as load:
                time.sleep(10.0)
                for _ in range(rounds):
                    for phase in PHASES:
                        if phase in running:
                            stop(phase)
                        time.sleep(SETTLE_S)
                        before = processor_s(pid)
                        words.phase, begin_s = phase, time.perf_counter()
                        time.sleep(seconds)
                        used_s[phase] += processor_s(pid) - before
                        times[phase].append((begin_s, time.perf_counter()))
                        words.phase = "between"
                        if phase != EVERYTHING:
                            start(phase)
                        deployment.poll()
                        time.sleep(SETTLE_S)
                time.sleep(2.0)
        finally:
            for part in list(running):
                stop(part)
    lists = {phase: [one for pair in times[phase] for one in load.due_between(*pair)[1]] for phase in PHASES}
    return {phase: figures(lists[phase], words, phase, used_s[phase]) for phase in PHASES}


def figures(lists: Sequence[Listed], words: Words, phase: str, used_s: float) -> dict[str, float]:
    """What is told of a phase."""
    return {
        "lists": float(len(lists)),
        **latencies(lists),
        "recommend_ms_a_list": 1_000 * used_s / len(lists),
        "explained_lists": float(words.explained[phase]),
        "with_words_of_the_model": float(words.by_model[phase]),
    }


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
    table = Table(
        "", "lists", "p50 ms", "p95 ms", "p99 ms", "processor ms a list", "explained", "by the model"
    )
    for phase, values in found.items():
        lists, p50, p95, p99, each, explained, by_model = values.values()
        table.add_row(
            phase,
            f"{lists:.0f}",
            *(f"{one:.1f}" for one in (p50, p95, p99, each)),
            f"{explained:.0f}",
            f"{by_model:.0f}",
        )
    Console().print(table)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
