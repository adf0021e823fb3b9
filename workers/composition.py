"""The composition root: from settings to a running role. With `workers.wiring`, nothing else wires parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from streams.driver import RoleRunner, SourcePartition
from streams.errors import ConfigurationError, DependencyDownError
from streams.health import HealthServer
from streams.producer import Publisher as KafkaPublisher
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.backoff import while_down
from workers.defects import poison_to_dead_letters
from workers.garbage_collection import settle
from workers.letter_payloads import LimitedPayloads
from workers.metered import MeteredProcessor, MeteredPublisher
from workers.ports import Publisher
from workers.roles import ROLES, Role
from workers.state.redis_store import RedisStateStore
from workers.stoppable import unless_stopped
from workers.wiring.around import Around
from workers.wiring.wire import wire


async def run_role(role: Role, settings: Settings, stop: asyncio.Event, ready: Callable[[int], None]) -> None:
    """Run one role in this process until ``stop``.

    Args:
        ready: Told the port of the health endpoint, once it listens.

    Raises:
        ConfigurationError: The settings cannot work: says which.
    """
    if role not in ROLES:
        raise ConfigurationError(f"there is no role `{role}`; there are {', '.join(ROLES)}")
    async with AsyncExitStack() as resources:
        topics = TopicNames(settings.topics.prefix)
        store = RedisStateStore(settings.redis, settings.topics.prefix)
        resources.push_async_callback(store.aclose)
        health = await resources.enter_async_context(HealthServer(settings, role))
        ready(health.port)
        await unless_stopped(stop, while_down("start", store.check))
        kafka = await resources.enter_async_context(KafkaPublisher(settings))
        limited = LimitedPayloads(kafka, topics.dead_letters, settings.topics.dead_letter_bytes_per_minute)
        publisher = MeteredPublisher(limited, role, topics.dead_letters)
        was_set_back = False
        gaps: set[tuple[SourcePartition, int]] = set()
        while not stop.is_set():
            was_set_back = await _run_once(
                role, settings, topics, store, publisher, health, stop, was_set_back, gaps
            )


async def _run_once(
    role: Role,
    settings: Settings,
    topics: TopicNames,
    store: RedisStateStore,
    publisher: Publisher,
    health: HealthServer,
    stop: asyncio.Event,
    was_set_back: bool,
    gaps: set[tuple[SourcePartition, int]],
) -> bool:
    """Run until ``stop``, or until the role must start anew; whether that is as its state was set back.

    ``was_set_back`` says that it starts after that. ``gaps`` holds the positions past retention that were
    answered with a restoration already.
    """
    again = asyncio.Event()
    lost = asyncio.Event()

    def set_back() -> None:
        lost.set()
        again.set()

    def on_gap(source: SourcePartition, wanted: int, _: int) -> None:
        # Kafka has the events no more that would bring older state up to date; `profiles` has what they did.
        # From 0 reading starts where there is no fence: then all profiles were restored at the start.
        if source.topic == topics.events and wanted > 0 and (source, wanted) not in gaps:
            gaps.add((source, wanted))
            set_back()
        if again.is_set():
            # No event before that: the state that it would change is about to be replaced.
            raise DependencyDownError("profiles are restored first")

    async with AsyncExitStack() as resources:
        around = Around(settings, topics, store, publisher, again.set, set_back, was_set_back, resources)
        wiring = await unless_stopped(stop, wire(role, around))
        if wiring is None:
            return False
        settle()

        runner = RoleRunner(
            settings,
            wiring.group,
            wiring.topics,
            MeteredProcessor(wiring.processor, role),
            on_poison=poison_to_dead_letters(role, topics, publisher),
            start_positions=wiring.start_positions,
            on_gap=on_gap,
        )
        health.watch(runner)
        running = asyncio.create_task(runner.run())
        waiting = [asyncio.create_task(stop.wait()), asyncio.create_task(again.wait())]
        await asyncio.wait([running, *waiting], return_when=asyncio.FIRST_COMPLETED)
        # What was handed out of a state that is not there any more cannot be finished.
        runner.stop(at_once=lost.is_set())
        for task in waiting:
            task.cancel()
        await running
    return lost.is_set()
