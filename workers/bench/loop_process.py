"""One measured loop in a process of its own: `python -m workers.bench.loop_process SPEC`.

The settings come as they come to a worker. What was taken is the last line of standard output, as JSON.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal

import msgspec
from aiokafka.client import AIOKafkaClient

from deploy import die_with_parent
from streams.driver import Delivery, Finish, RoleRunner
from streams.errors import DefectError
from streams.kafka_connection import aiokafka_arguments
from streams.logging_setup import configure_logging
from streams.producer import Publisher
from streams.records import Outgoing
from streams.settings import Settings, load_settings
from streams.topic_ids import fetch_topic_ids
from streams.topic_names import TopicNames
from workers.bench import plain_loops
from workers.bench.clock import Clock, Taken
from workers.bench.learning import learn_in_plain_loop, learn_through_role
from workers.flags import CONFIG_ENVIRONMENT, Flags, environment_of, inherited_flags
from workers.metered import MeteredProcessor, MeteredPublisher
from workers.roles import ROLES, Role
from workers.state.redis_store import RedisStateStore
from workers.wiring.around import Around
from workers.wiring.wire import wire

_POLL_S = 0.005


class Spec(msgspec.Struct, frozen=True):
    """What to run: a role's name or ``in``, ``one_in_one_out``, ``echo`` (for ever), and through what."""

    work: str
    through: Literal["freshet", "plain"]
    records: int
    source: str = ""
    target: str = ""


def start_loop(spec: Spec, flags: Flags, config: Path | None, log: Path) -> Any:
    """Start a loop beside this process; it ends with it."""
    with log.open("ab") as errors:
        return die_with_parent.spawn(
            [sys.executable, "-m", "workers.bench.loop_process", msgspec.json.encode(spec).decode()],
            env=os.environ | environment_of(flags, config),
            stdout=subprocess.PIPE,
            stderr=errors,
        )


def run_loop(spec: Spec, flags: Flags, config: Path | None, log: Path) -> Taken:
    """Run a loop to its end.

    Raises:
        DefectError: It failed: says with what.
    """
    process = start_loop(spec, flags, config, log)
    out, _ = process.communicate()
    if process.returncode != 0 or not out:
        tail = log.read_text(errors="replace")[-2_000:]
        raise DefectError(f"the loop {spec.through} {spec.work} ended with {process.returncode}:\n{tail}")
    return msgspec.json.decode(out.splitlines()[-1], type=Taken)


class _Counting:
    """The work of ``in`` and ``one_in_one_out``, as a role."""

    def __init__(self, target: str, publisher: Publisher) -> None:
        self._target = target
        self._publisher = publisher

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            plain_loops.decode_small(delivery.record.value or b"")
        if self._target:
            await self._publisher.publish(
                [
                    Outgoing(self._target, delivery.record.key, delivery.record.value)
                    for delivery in deliveries
                ]
            )
        for delivery in deliveries:
            delivery.done()


class _Timed:
    """A role whose first batch starts a clock."""

    def __init__(self, processor: Any, clock: Clock) -> None:
        self._processor = processor
        self._clock = clock

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        self._clock.start()
        await self._processor.process(deliveries)

    async def begin(self, deliveries: Sequence[Delivery]) -> Finish | None:
        begin = getattr(self._processor, "begin", None)
        self._clock.start()
        return None if begin is None else await begin(deliveries)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)


async def _through_driver(
    settings: Settings, group: str, topics: Sequence[str], processor: Any, records: int, starts: Any = None
) -> Taken:
    clock = Clock()

    async def no_poison(delivery: Delivery, error: Exception) -> None:
        raise DefectError(f"a record of the benchmark cannot be processed: {error!r}") from error

    runner = RoleRunner(
        settings, group, topics, _Timed(processor, clock), on_poison=no_poison, start_positions=starts
    )
    running = asyncio.create_task(runner.run())
    while not running.done() and sum(one.done for one in runner.stats().partitions) < records:
        await asyncio.sleep(_POLL_S)
    taken = clock.taken(records)
    runner.stop()
    await running
    return taken


async def _run(spec: Spec, settings: Settings) -> Taken:
    if spec.work == "learn":
        learn = learn_in_plain_loop if spec.through == "plain" else learn_through_role
        return await learn(settings, spec.records)
    if spec.work in ROLES:
        return await _run_role(spec.work, spec, settings)
    if spec.through == "plain":
        if spec.target:
            return await plain_loops.echo(
                settings, spec.source, spec.target, None if spec.work == "echo" else spec.records
            )
        return await plain_loops.count(settings, spec.source, spec.records)
    async with Publisher(settings) as publisher:
        counting = _Counting(spec.target, publisher)
        return await _through_driver(settings, "bench", [spec.source], counting, spec.records)


async def _run_role(role: Role, spec: Spec, settings: Settings) -> Taken:
    topics = TopicNames(settings.topics.prefix)
    if role == "profile" and spec.through == "plain":
        return await plain_loops.update_profiles(settings, spec.records)
    async with AsyncExitStack() as resources:
        store = RedisStateStore(settings.redis, settings.topics.prefix)
        resources.push_async_callback(store.aclose)
        publisher: Any
        if spec.through == "plain":
            producer = await resources.enter_async_context(plain_loops.plain_producer(settings))
            publisher = plain_loops.PlainPublisher(producer)
        else:
            kafka = await resources.enter_async_context(Publisher(settings))
            publisher = MeteredPublisher(kafka, role, topics.dead_letters)
        around = Around(settings, topics, store, publisher, lambda: None, lambda: None, False, resources)
        wiring = await wire(role, around)
        if spec.through == "plain":
            uuids = await _topic_ids(settings, wiring.topics)
            return await plain_loops.drive_role(
                settings, wiring.topics, uuids, wiring.processor, spec.records
            )
        metered = MeteredProcessor(wiring.processor, role)
        return await _through_driver(
            settings, wiring.group, wiring.topics, metered, spec.records, wiring.start_positions
        )


async def _topic_ids(settings: Settings, topics: Sequence[str]) -> dict[str, str]:
    client = AIOKafkaClient(**aiokafka_arguments(settings.kafka))
    await client.bootstrap()
    try:
        return dict(await fetch_topic_ids(client, topics))
    finally:
        await client.close()


def main() -> None:
    """Run what the argument says."""
    configure_logging("console", "warning")
    config = os.environ.get(CONFIG_ENVIRONMENT)
    settings = load_settings(Path(config) if config else None, **inherited_flags())
    spec = msgspec.json.decode(sys.argv[1], type=Spec)
    taken = asyncio.run(_run(spec, settings))
    sys.stdout.write(msgspec.json.encode(taken).decode() + "\n")


if __name__ == "__main__":
    main()
