"""How fast the driver is, beside a plain aiokafka loop and stock Faust, on the same Kafka in the same run.

``python -m tests.benchmarks.driver_throughput BOOTSTRAP_SERVERS [RECORDS]``: 150-byte records, 12 partitions.
Each is a process of its own; the clock runs from the first record to the last. The processor time of a record
says more than records/s where other programs share the cores.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from streams.driver import Delivery, RoleRunner
from streams.producer import Publisher
from streams.records import Outgoing
from tests.integration.driver_helpers import create_topic, no_poison, settings_for

PARTITIONS = 12
ROOT = Path(__file__).parents[2]


class Clock:
    """Started by the first record."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = 0.0, 0.0

    def start(self) -> None:
        if not self._wall_s:
            self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def report(self, records: int) -> None:
        wall_s, cpu_s = time.perf_counter() - self._wall_s, time.process_time() - self._cpu_s
        figures = {"records_per_s": round(records / wall_s), "cpu_us": round(cpu_s / records * 1e6, 1)}
        # Stock Faust sends what is printed to its log.
        os.write(2, json.dumps(figures).encode() + b"\n")


class Counting:
    """Counts, and with ``echo`` publishes one record for each."""

    def __init__(self, records: int, echo: str | None, publisher: Publisher, finish: asyncio.Event) -> None:
        self._left = records
        self._records = records
        self._echo = echo
        self._publisher = publisher
        self._finish = finish
        self._clock = Clock()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        self._clock.start()
        if self._echo:
            await self._publisher.publish(
                [Outgoing(self._echo, delivery.record.key, delivery.record.value) for delivery in deliveries]
            )
        for delivery in deliveries:
            delivery.done()
        self._left -= len(deliveries)
        if self._left <= 0:
            self._clock.report(self._records)
            self._finish.set()


async def driver(servers: str, prefix: str, records: int, echo: str | None) -> None:
    finish = asyncio.Event()
    settings = settings_for(servers, prefix)
    async with Publisher(settings) as publisher:
        counting = Counting(records, echo, publisher, finish)
        runner = RoleRunner(settings, "driver", [prefix + "in"], counting, on_poison=no_poison)
        task = asyncio.create_task(runner.run())
        await finish.wait()
        runner.stop()
        await task


async def aiokafka_loop(servers: str, prefix: str, records: int, echo: str | None) -> None:
    from aiokafka import AIOKafkaConsumer

    consumer = AIOKafkaConsumer(
        prefix + "in",
        bootstrap_servers=servers,
        group_id=prefix + "aiokafka",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    left, clock = records, Clock()
    async with Publisher(settings_for(servers, prefix)) as publisher:
        while left > 0:
            batches = await consumer.getmany(timeout_ms=1_000, max_records=500)
            found = [record for batch in batches.values() for record in batch]
            if found:
                clock.start()
                if echo:
                    await publisher.publish([Outgoing(echo, record.key, record.value) for record in found])
            left -= len(found)
    clock.report(records)
    await consumer.commit()
    await consumer.stop()


def stock_faust(servers: str, prefix: str, records: int, echo: str | None) -> None:
    import tempfile

    import faust

    app = faust.App(
        prefix + "faust",
        broker=f"kafka://{servers}",
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_buffer_maxsize=32_768,
        producer_linger=0.005,
        datadir=tempfile.mkdtemp(),
    )
    source = app.topic(prefix + "in", key_serializer="raw", value_serializer="raw")
    target = app.topic(echo, key_serializer="raw", value_serializer="raw") if echo else None

    @app.agent(source)
    async def count(stream: faust.StreamT) -> None:
        left, clock = records, Clock()
        async for event in stream.events():
            clock.start()
            if target is not None:
                await target.send(key=event.key, value=event.value)
            left -= 1
            if not left:
                clock.report(records)
                os._exit(0)

    faust.Worker(app, loglevel="error").execute_from_commandline()


def measure(kind: str, servers: str, prefix: str, records: int, echo: str | None) -> dict[str, float]:
    arguments = json.dumps([kind, servers, prefix, records, echo])
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.driver_throughput", "--one", arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    for line in done.stderr.splitlines():
        if line.startswith('{"records_per_s"'):
            figures: dict[str, float] = json.loads(line)
            return figures
    raise RuntimeError(done.stderr)


async def fill(servers: str, prefix: str, records: int) -> None:
    await create_topic(servers, prefix + "in", PARTITIONS)
    async with Publisher(settings_for(servers, prefix)) as publisher:
        for start in range(0, records, 2_000):
            numbers = range(start, min(start + 2_000, records))
            await publisher.publish([Outgoing(prefix + "in", b"%d" % n, bytes(150)) for n in numbers])


def main() -> None:
    if sys.argv[1] == "--one":
        kind, servers, prefix, records, echo = json.loads(sys.argv[2])
        if kind == "faust":
            stock_faust(servers, prefix, records, echo)
        else:
            asyncio.run((driver if kind == "driver" else aiokafka_loop)(servers, prefix, records, echo))
        return
    servers, records = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    for name, echo in (("in", False), ("one in, one out", True)):
        rates = {}
        for kind in ("aiokafka", "driver", "faust"):
            count = records // 10 if kind == "faust" else records
            prefix = f"b{secrets.token_hex(3)}."
            asyncio.run(fill(servers, prefix, count))
            if echo:
                asyncio.run(create_topic(servers, prefix + "out", PARTITIONS))
            rates[kind] = measure(kind, servers, prefix, count, prefix + "out" if echo else None)
        for kind, figures in rates.items():
            share = figures["records_per_s"] / rates["aiokafka"]["records_per_s"]
            print(f"{name}, {kind}: {figures}, {share:.2f} of aiokafka's rate")


if __name__ == "__main__":
    main()
