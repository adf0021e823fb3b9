"""Part (b): from when an event was due until a list that covers it was read, at a fixed rate of arrivals.

Kafka, Redis, the roles that an event passes (profile, recommend, with the cascade also learn) and the load
generator share the machine. The catalogue's vectors are published straight to `item-vectors`; six events a
person are history. After a warm-up every event counts, coalesced ones at the list that covers them; the part
fails where one never gets a list.

The baseline is what Kafka alone costs on that machine: two plain aiokafka loops in a row, each publishing
what it reads, driven and measured in the same way in the same deployment.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from kafka.admin import KafkaAdminClient  # type: ignore[import-untyped]
from kafka.errors import TopicAlreadyExistsError  # type: ignore[import-untyped]

from streams.errors import DependencyDownError
from streams.kafka_connection import kafka_python_arguments
from streams.messages import Event
from streams.records import Outgoing
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.bench.arrivals import Listed, due_times, waits
from workers.bench.backlogs import events, publish
from workers.bench.catalogue import World, clustered_vectors
from workers.bench.load import Journal, now, publish_at, read_list, reading
from workers.bench.loop_process import Spec, start_loop
from workers.bench.percentiles import SHARES, label, median, percentile
from workers.bench.rows import Row, Setting, row
from workers.bench.run import Bench
from workers.bench.watching import processor_s, totals, wait_until
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.flags import Flags, merged
from workers.local_deployment import LocalDeployment

PEOPLE = 2_000
HISTORY_EVENTS = 12_000
_SETTLE_S = 1.0
# So long without a list, and what has none never gets one.
_SILENCE_S = 15.0
_LIST_ITEMS = 20


@dataclass(frozen=True, slots=True)
class Case:
    """A catalogue, a ranker, and the rates at which events come."""

    items: int
    ranker: str
    rates: Sequence[float]


TINY = (Case(200, "base", (20,)),)
SHORT = (
    Case(1_000, "base", (200,)),
    Case(10_000, "base", (200, 500)),
    Case(100_000, "base", (200,)),
    Case(10_000, "cascade", (50,)),
)
LONG = (
    Case(1_000, "base", (50, 200, 500)),
    Case(10_000, "base", (50, 200, 500)),
    Case(100_000, "base", (50, 200, 500)),
    Case(1_000_000, "base", (50, 200)),
    Case(10_000, "cascade", (50, 200)),
    Case(100_000, "cascade", (50,)),
)


@dataclass(frozen=True, slots=True)
class _Duration:
    warm_up_s: float
    measured_s: float


def measure(bench: Bench) -> list[Row]:
    """See the module."""
    rows: list[Row] = []
    for case in bench.sized(tiny=TINY, short=SHORT, long=LONG):
        flags: Flags = {"recommend": {"ranker": case.ranker}}
        with bench.deployment({}, flags) as deployment:
            rows += _Run(bench, deployment, case).rows()
    return rows


class _Run:
    """One case in its deployment."""

    def __init__(self, bench: Bench, deployment: LocalDeployment, case: Case) -> None:
        self._bench = bench
        self._deployment = deployment
        self._case = case
        self._settings = deployment.settings
        self._topics = TopicNames(self._settings.topics.prefix)
        self._fusion = fusion_in_use(self._settings, encoder_registry(self._settings))
        self._versions: Counter[str] = Counter()
        self._world = World(case.items, self._fusion.dimension, PEOPLE)

    def rows(self) -> list[Row]:
        duration = self._bench.sized(
            tiny=_Duration(2.0, 4.0), short=_Duration(5.0, 20.0), long=_Duration(20.0, 120.0)
        )
        self._prepare()
        rows: list[Row] = []
        for rate in self._case.rates:
            setting: Setting = {
                "items": self._case.items,
                "events_per_s": rate,
                "ranker": self._case.ranker,
            }
            baseline, echo_us = self._echoed(rate, duration)
            rows += self._measured(rate, duration, setting, baseline, echo_us)
        return rows

    def _prepare(self) -> None:
        """Publish catalogue and history, then start what follows them."""
        history = self._bench.sized(tiny=100, short=HISTORY_EVENTS, long=HISTORY_EVENTS)
        self._bench.say(f"  publishing {self._case.items:,} items and {history:,} events")
        vectors = self._world.vectors(self._topics.item_vectors(self._fusion.space))
        asyncio.run(publish(self._settings, vectors))
        asyncio.run(publish(self._settings, self._history(history)))
        supervisor = self._deployment.supervisor
        for role in ("profile", "recommend", *(("learn",) if self._case.ranker == "cascade" else ())):
            supervisor.start(role)
        supervisor.wait_ready(timeout_s=120.0 + self._case.items / 500)
        wait_until(
            self._deployment,
            "the history in profiles",
            lambda: totals(self._deployment, "profile").get("freshet_profile_events_total", 0) >= history,
            timeout_s=60.0 + history / 200,
        )
        time.sleep(_SETTLE_S)

    def _history(self, events: int) -> Iterator[Outgoing]:
        for event, record in self._world.history(self._topics.events, events):
            self._versions[event.user_id] += 1
            yield record

    def _measured(
        self, rate: float, duration: _Duration, setting: Setting, baseline: Sequence[float], echo_us: float
    ) -> list[Row]:
        self._bench.say(
            f"  {self._case.items:,} items, {self._case.ranker}, {rate:g} events/s, {duration.measured_s:g} s"
        )
        journal = Journal()

        def take(value: bytes, at_s: float) -> None:
            listed = read_list(value, at_s)
            if listed is not None:
                journal.listed.append(listed)

        pids = {worker.role: worker.pid for worker in self._deployment.supervisor.workers() if worker.pid}
        before, spent = totals(self._deployment, "recommend"), {r: processor_s(p) for r, p in pids.items()}
        offsets_s = due_times(rate, duration.warm_up_s + duration.measured_s)
        asyncio.run(
            self._load(self._topics.events, self._topics.recommendations, offsets_s, duration, journal, take)
        )
        after = totals(self._deployment, "recommend")
        found = waits(journal.due, journal.listed)
        missing = sum(map(math.isinf, found))
        if missing:
            raise DependencyDownError(
                f"{missing} of {len(found)} events at {rate:g}/s have no list, and none has come for "
                f"{_SILENCE_S:g} s: lists are lost, or a worker stands still"
            )
        made = after["freshet_list_seconds_count"] - before["freshet_list_seconds_count"]
        list_ms = 1e3 * (after["freshet_list_seconds_sum"] - before["freshet_list_seconds_sum"]) / made
        covered = len(journal.listed) / len(offsets_s)
        rows = [
            row(
                f"event_to_list_{label(share)}",
                1e3 * percentile(found, share),
                "ms",
                1e3 * percentile(baseline, share),
                setting,
            )
            for share in SHARES
        ]
        rows.append(row("list_time", list_ms, "ms", self._exact_ms(), setting))
        rows.append(row("lists_per_event", covered, "lists/event", 1.0, setting))
        rows += [
            row(
                f"{role}_processor_time",
                1e6 * (processor_s(pid) - spent[role]) / len(offsets_s),
                "µs/event",
                echo_us,
                setting,
            )
            for role, pid in pids.items()
        ]
        return rows

    async def _load(
        self,
        source: str,
        target: str,
        offsets_s: Sequence[float],
        duration: _Duration,
        journal: Journal,
        take: Any,
        versions: Counter[str] | None = None,
    ) -> None:
        count_from = next(n for n, offset_s in enumerate(offsets_s) if offset_s >= duration.warm_up_s)
        async with reading(self._settings, target, take):
            await publish_at(
                self._settings,
                source,
                offsets_s,
                lambda: self._world.event(now()),
                self._versions if versions is None else versions,
                journal,
                count_from,
            )
            # A machine that does not keep up is late, and its figures say so. What never comes is a failure.
            left, seen, progress_s = 1, -1, time.monotonic()
            while left and time.monotonic() - progress_s < _SILENCE_S:
                await asyncio.sleep(0.2)
                left = sum(map(math.isinf, waits(journal.due, journal.listed)))
                if len(journal.listed) != seen:
                    seen, progress_s = len(journal.listed), time.monotonic()

    def _echoed(self, rate: float, duration: _Duration) -> tuple[list[float], float]:
        """Seconds through two plain loops in a row, and what one takes of the processor, in µs an event."""
        topics = ("bench-echo-in", "bench-echo-between", "bench-echo-out")
        _create(self._settings, topics)
        log = self._deployment.data_folder / "echo.log"
        flags = merged(
            self._deployment.flags,
            {"kafka": {"bootstrap_servers": self._settings.kafka.bootstrap_servers}},
        )
        loops = [
            start_loop(Spec("echo", "plain", 0, source, target), flags, self._bench.config, log)
            for source, target in pairwise(topics)
        ]
        journal, versions = Journal(), Counter[str]()
        decode = msgspec.json.Decoder(Event).decode
        seen: Counter[str] = Counter()

        def take(value: bytes, at_s: float) -> None:
            # An echo has no version: one person's events come back in their order.
            user_id = decode(value).user_id
            seen[user_id] += 1
            journal.listed.append(Listed(user_id, seen[user_id], at_s))

        try:
            asyncio.run(self._first_echo(topics))
            spent = processor_s(loops[0].pid)
            offsets_s = due_times(rate, duration.warm_up_s + duration.measured_s / 2)
            asyncio.run(self._load(topics[0], topics[-1], offsets_s, duration, journal, take, versions))
            echo_us = 1e6 * (processor_s(loops[0].pid) - spent) / len(offsets_s)
        finally:
            for loop in loops:
                loop.kill()
                loop.wait()
        found = waits(journal.due, journal.listed)
        if any(map(math.isinf, found)):
            raise DependencyDownError(f"of plain echoes of {rate:g} events/s some never came")
        return found, echo_us

    async def _first_echo(self, topics: Sequence[str]) -> None:
        """Wait until the loops are in their groups."""
        came = asyncio.Event()
        async with reading(self._settings, topics[-1], lambda value, at_s: came.set()):
            await publish(self._settings, events(topics[0], 1))
            async with asyncio.timeout(60):
                await came.wait()

    def _exact_ms(self) -> float:
        """The least that a list could take: one exact search of the catalogue in NumPy."""
        vectors, _ = clustered_vectors(self._case.items, self._fusion.dimension, np.random.default_rng(1))
        taken = []
        for query in vectors[:21]:
            started_s = time.perf_counter()
            scores = vectors @ query
            best = np.argpartition(scores, -_LIST_ITEMS)[-_LIST_ITEMS:]
            best[np.argsort(-scores[best])]
            taken.append(1e3 * (time.perf_counter() - started_s))
        return median(taken)


def _create(settings: Settings, topics: Sequence[str]) -> None:
    admin = KafkaAdminClient(**kafka_python_arguments(settings.kafka))
    try:
        for topic in topics:
            try:
                admin.create_topics(
                    {topic: {"num_partitions": settings.topics.user_partitions, "replication_factor": 1}}
                )
            except TopicAlreadyExistsError:
                continue
        admin.wait_for_topics(list(topics), timeout_ms=20_000)
    finally:
        admin.close()
