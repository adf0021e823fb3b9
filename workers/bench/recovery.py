"""Part (h): how long no list comes, after a kill of a worker and after a restart of everything.

Events come at 20/s all the time. After SIGKILL of a role's only worker, the clock runs until a list for an
event is read that was due after the kill: the supervisor starts another, the group waits for the dead one's
session to end, the index is read. After everything was stopped, it runs from the start of Kafka and Redis
over their data until the first list. The baseline is the same with a catalogue of a hundred items.
"""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from streams.codec import encode
from streams.errors import DependencyDownError
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.bench.backlogs import publish
from workers.bench.catalogue import World
from workers.bench.load import cause_of, now, reading
from workers.bench.plain_loops import plain_producer
from workers.bench.rows import Row, row
from workers.bench.run import Bench
from workers.bench.watching import wait_until
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.local_deployment import LocalDeployment

EVENTS_PER_S = 20.0
BASELINE_ITEMS = 100
PEOPLE = 200
KILLED = ("recommend", "profile")
_WORKERS = {"profile": 1, "recommend": 1}
_BEFORE_S = 3.0
_TIMEOUT_S = 300.0
_POLL_S = 0.02


def measure(bench: Bench) -> list[Row]:
    """See the module."""
    items = bench.sized(tiny=300, short=100_000, long=1_000_000)
    baseline = _measured(bench, BASELINE_ITEMS)
    found = _measured(bench, items)
    setting = {"items": items, "baseline_items": BASELINE_ITEMS, "events_per_s": EVENTS_PER_S}
    return [row(name, value, "s", baseline[name], setting) for name, value in found.items()]


def _measured(bench: Bench, items: int) -> dict[str, float]:
    """Seconds, by what happened."""
    found: dict[str, float] = {}
    with TemporaryDirectory(prefix="freshet-bench-", ignore_cleanup_errors=True) as folder:
        with bench.deployment({}, folder=Path(folder)) as deployment:
            settings = deployment.settings
            fusion = fusion_in_use(settings, encoder_registry(settings))
            world = World(items, fusion.dimension, PEOPLE)
            topic = TopicNames(settings.topics.prefix).item_vectors(fusion.space)
            bench.say(f"  publishing {items:,} items")
            asyncio.run(publish(settings, world.vectors(topic)))
            for role in _WORKERS:
                deployment.supervisor.start(role)
            deployment.supervisor.wait_ready(90.0 + items / 1_000)
            with _Load(settings, world) as load:
                _wait_for_list(deployment, load, time.monotonic())
                for role in KILLED:
                    _poll_for(deployment, _BEFORE_S)
                    bench.say(f"  SIGKILL of the {role} worker, {items:,} items")
                    killed_s = time.monotonic()
                    deployment.supervisor.kill(role)
                    found[f"after_kill_of_{role}"] = _wait_for_list(deployment, load, killed_s) - killed_s
        bench.say(f"  everything is started again, {items:,} items")
        started_s = time.monotonic()
        with (
            bench.deployment(_WORKERS, folder=Path(folder)) as deployment,
            _Load(deployment.settings, world) as load,
        ):
            found["after_restart"] = _wait_for_list(deployment, load, started_s) - started_s
    return found


def _poll_for(deployment: LocalDeployment, seconds: float) -> None:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        deployment.poll()
        time.sleep(_POLL_S)


def _wait_for_list(deployment: LocalDeployment, load: _Load, after_s: float) -> float:
    """When the first list was read for an event that was due after this."""
    wait_until(deployment, "a list", lambda: load.first_list_after(after_s) is not None, _TIMEOUT_S, _POLL_S)
    at_s = load.first_list_after(after_s)
    assert at_s is not None
    return at_s


class _Load:
    """Events at a fixed rate from a thread of its own, until the context is left."""

    def __init__(self, settings: Settings, world: World) -> None:
        self._settings = settings
        self._world = world
        self._lists: list[tuple[str, float]] = []
        self._due: dict[str, float] = {}
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(30.0)

    def first_list_after(self, after_s: float) -> float | None:
        """When the first list caused by an event due after this was read; None while there is none.

        Raises:
            DependencyDownError: The load has ended by itself.
        """
        if self._failure is not None:
            raise DependencyDownError(f"the load has ended: {self._failure!r}") from self._failure
        return next(
            (at_s for event_id, at_s in list(self._lists) if self._due.get(event_id, 0.0) >= after_s), None
        )

    def _work(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception as error:
            self._failure = error

    async def _run(self) -> None:
        topics = TopicNames(self._settings.topics.prefix)
        async with (
            reading(self._settings, topics.recommendations, self._take),
            plain_producer(self._settings) as producer,
        ):
            due_s = time.monotonic()
            while not self._stop.is_set():
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                event = self._world.event(now())
                self._due[event.event_id] = due_s
                await producer.send(topics.events, encode(event), key=event.user_id.encode())
                due_s += 1.0 / EVENTS_PER_S

    def _take(self, value: bytes, at_s: float) -> None:
        self._lists.append((cause_of(value), at_s))
