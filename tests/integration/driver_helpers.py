"""What the driver's tests share: topics, records, workers in processes of their own."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from streams.driver import Delivery, RoleRunner, SourcePartition
from streams.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
WORKER = "tests.integration.driver_worker"
STOCK_WORKER = "tests.integration.stock_faust_worker"


# Where a killed worker is to be missed soon. Elsewhere a busy machine is not to cost a worker its partitions.
SHORT_SESSION_S = 3.0


def settings_for(
    bootstrap_servers: str, prefix: str, *, session_timeout_s: float = 45.0, **worker: Any
) -> Settings:
    kafka = {
        "bootstrap_servers": bootstrap_servers,
        "session_timeout_s": session_timeout_s,
        "heartbeat_interval_s": 0.5,
        "max_poll_interval_s": worker.pop("max_poll_interval_s", 300.0),
    }
    return load_settings(kafka=kafka, topics={"prefix": prefix}, worker=worker)


async def until(condition: Callable[[], Any], what: str, limit_s: float = 120.0) -> None:
    end_s = monotonic() + limit_s
    while not condition():
        assert monotonic() < end_s, f"waited {limit_s} s in vain: {what}"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def admin_client(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def create_topic(bootstrap_servers: str, topic: str, partitions: int, **config: str) -> None:
    """Create a topic, also while one of this name is still being deleted, and wait until it can be used."""
    async with admin_client(bootstrap_servers) as admin:
        end_s = monotonic() + 60
        while True:
            response = await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=config)])
            code = response.topic_errors[0][1]
            if code == 0:
                return
            assert code == TopicAlreadyExistsError.errno, response
            assert monotonic() < end_s, "the topic is still there"
            await asyncio.sleep(0.05)


async def delete_topic(bootstrap_servers: str, topic: str) -> None:
    async with admin_client(bootstrap_servers) as admin:
        await admin.delete_topics([topic])


async def committed_offsets(bootstrap_servers: str, group: str) -> dict[int, int]:
    """Partition to committed offset; the driver's tests have one topic each."""
    async with admin_client(bootstrap_servers) as admin:
        found = await admin.list_consumer_group_offsets(group)
        return {tp.partition: entry.offset for tp, entry in found.items()}


@asynccontextmanager
async def producer(bootstrap_servers: str, **arguments: Any) -> AsyncIterator[AIOKafkaProducer]:
    made = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, **arguments)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def partitions_of(bootstrap_servers: str, topic: str) -> int:
    """How many a producer that starts now knows of."""
    async with producer(bootstrap_servers) as made:
        return len(await made.partitions_for(topic))


@asynccontextmanager
async def consumer(bootstrap_servers: str, **arguments: Any) -> AsyncIterator[AIOKafkaConsumer]:
    made = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, **arguments)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def publish_numbers(
    bootstrap_servers: str, topic: str, numbers: Sequence[int], *, partitions: int
) -> None:
    """One record a number, number n in partition n mod partitions."""
    async with producer(bootstrap_servers) as made:
        await asyncio.gather(
            *[
                await made.send(topic, b"%d" % number, key=b"%d" % number, partition=number % partitions)
                for number in numbers
            ]
        )


async def publish_transactions(bootstrap_servers: str, topic: str, numbers: Sequence[int]) -> None:
    """One transaction a number, in partition 0: each record is followed by a marker, a gap in the offsets."""
    async with producer(bootstrap_servers, transactional_id=f"{topic}-tests") as made:
        for number in numbers:
            async with made.transaction():
                await made.send(topic, b"%d" % number, key=b"%d" % number, partition=0)


@dataclass
class Recorder:
    """A processor that keeps what it was given. ``behave`` may hold records back, or raise."""

    behave: Callable[[Sequence[Delivery]], Any] | None = None
    records: list[Any] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    assigned: list[SourcePartition] = field(default_factory=list)
    revoked: list[SourcePartition] = field(default_factory=list)
    started: bool = False
    stopped: bool = False

    async def start(self) -> None:
        self.started = True

    async def stop(self) -> None:
        self.stopped = True

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        self.batches.append(len(deliveries))
        if self.behave is not None:
            outcome = self.behave(deliveries)
            if asyncio.iscoroutine(outcome):
                await outcome
            return
        self.finish(deliveries)

    def finish(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self.records.append(delivery.record)
            delivery.done()

    async def partitions_assigned(self, partitions: Sequence[SourcePartition]) -> None:
        self.assigned.extend(partitions)

    async def partitions_revoked(self, partitions: Sequence[SourcePartition]) -> None:
        self.revoked.extend(partitions)

    @property
    def numbers(self) -> list[int]:
        return [int(record.value) for record in self.records]


async def no_poison(delivery: Delivery, error: Exception) -> None:
    raise AssertionError(f"{delivery.record} was poison: {error!r}")


@asynccontextmanager
async def running(runner: RoleRunner) -> AsyncIterator[RoleRunner]:
    """A runner in this process, stopped at the end."""
    task = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        runner.stop()
        await asyncio.wait_for(task, 60)


class WorkerProcess:
    """A worker in a process of its own, which appends what it has done to a file."""

    def __init__(self, effects: Path, module: str = WORKER, **config: Any) -> None:
        self.effects = effects
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps({"effects": str(effects), **config})], cwd=ROOT
        )

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.terminate()
        assert self._process.wait(60) == 0

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None


async def until_committed(bootstrap_servers: str, group: str, expected: dict[int, int]) -> None:
    """Wait until just this is committed: a commit comes when the driver's timer says so."""
    end_s = monotonic() + 120
    while (found := await committed_offsets(bootstrap_servers, group)) != expected:
        assert monotonic() < end_s, f"committed {found}, not {expected}"
        await asyncio.sleep(0.1)


def read_effects(*files: Path) -> list[tuple[int, int, int]]:
    """Partition, offset and number of each record done, over all files."""
    found = []
    for file in files:
        if file.exists():
            lines = file.read_text().split("\n")
            # A line that a killed worker has begun ends no line.
            found += [tuple(int(part) for part in line.split()) for line in lines[:-1]]
    return [(partition, offset, number) for partition, offset, number in found]


def not_done_below(
    committed: dict[int, int], all_records: Sequence[tuple[int, int]], files: Sequence[Path]
) -> set:
    """Records (partition, offset) below what is committed that no worker has done."""
    done = {(partition, offset) for partition, offset, _ in read_effects(*files)}
    return {
        (partition, offset)
        for partition, offset in all_records
        if offset < committed.get(partition, 0) and (partition, offset) not in done
    }


async def log_end(bootstrap_servers: str, topic: str, partition: int = 0) -> int:
    async with consumer(bootstrap_servers) as made:
        tp = TopicPartition(topic, partition)
        return int((await made.end_offsets([tp]))[tp])


async def read_offsets(bootstrap_servers: str, topic: str) -> list[int]:
    """Offsets of the records in partition 0."""
    async with consumer(bootstrap_servers, auto_offset_reset="earliest") as made:
        tp = TopicPartition(topic, 0)
        made.assign([tp])
        end = (await made.end_offsets([tp]))[tp]
        offsets: list[int] = []
        while await made.position(tp) < end:
            for records in (await made.getmany(timeout_ms=200)).values():
                offsets += [record.offset for record in records]
        return offsets
