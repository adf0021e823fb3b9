"""How fast the driver is, beside a plain aiokafka loop and stock Faust, on the same Kafka in the same run.

``python -m tests.benchmarks.driver_throughput BOOTSTRAP_SERVERS [RECORDS]``: 150-byte records, 12 partitions.
Each is a process of its own; the clock runs from the first record to the last.
"""

from __future__ import annotations

import asyncio
import json
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


def report(records: int, started_s: float) -> None:
    sys.stderr.write(json.dumps({"records_per_s": round(records / (time.perf_counter() - started_s))}) + "\n")
    sys.stderr.flush()


class Counting:
    """Counts, and with ``echo`` publishes one record for each."""

    def __init__(self, records: int, echo: str | None, publisher: Publisher, finish: asyncio.Event) -> None:
        self._left = records
        self._records = records
        self._echo = echo
        self._publisher = publisher
        self._finish = finish
        self._started_s = 0.0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        self._started_s = self._started_s or time.perf_counter()
        if self._echo:
            await self._publisher.publish(
                [Outgoing(self._echo, delivery.record.key, delivery.record.value) for delivery in deliveries]
            )
        for delivery in deliveries:
            delivery.done()
        self._left -= len(deliveries)
        if self._left <= 0:
            report(self._records, self._started_s)
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
    left, started_s = records, 0.0
    async with Publisher(settings_for(servers, prefix)) as publisher:
        while left > 0:
            batches = await consumer.getmany(timeout_ms=1_000, max_records=500)
            found = [record for batch in batches.values() for record in batch]
            if found:
                started_s = started_s or time.perf_counter()
                if echo:
                    await publisher.publish([Outgoing(echo, record.key, record.value) for record in found])
            left -= len(found)
    report(records, started_s)
    await consumer.commit()
    await consumer.stop()


def stock_faust(servers: str, prefix: str, records: int, echo: str | None) -> None:
    import os
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
        left, started_s = records, 0.0
        async for event in stream.events():
            started_s = started_s or time.perf_counter()
            if target is not None:
                await target.send(key=event.key, value=event.value)
            left -= 1
            if not left:
                rate = records / (time.perf_counter() - started_s)
                os.write(2, json.dumps({"records_per_s": round(rate)}).encode() + b"\n")
                os._exit(0)

    faust.Worker(app, loglevel="error").execute_from_commandline()


def measure(kind: str, servers: str, prefix: str, records: int, echo: str | None) -> int:
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
            return int(json.loads(line)["records_per_s"])
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
        shares = {kind: round(rate / rates["aiokafka"], 2) for kind, rate in rates.items()}
        print(f"{name}: records/s {rates}, of aiokafka's {shares}")


if __name__ == "__main__":
    main()
