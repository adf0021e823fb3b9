"""Workers that come and are killed under load: nothing is lost, and no commit passes what is not done."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiokafka.errors import GroupCoordinatorNotAvailableError

from tests.integration.driver_helpers import (
    WorkerProcess,
    committed_offsets,
    create_topic,
    not_done_below,
    producer,
    read_effects,
    until,
    until_committed,
)

PARTITIONS = 6
RECORDS = 3_000


async def test_workers_join_and_one_is_killed_under_load(kafka, topic_prefix: str, tmp_path: Path) -> None:
    servers = kafka.bootstrap_servers
    topic, group = topic_prefix + "numbers", topic_prefix + "role"
    await create_topic(servers, topic, PARTITIONS)
    config = {
        "bootstrap_servers": servers,
        "prefix": topic_prefix,
        "role": "role",
        "topic": topic,
        "hold": 50,
    }
    everything: list[tuple[int, int]] = []
    files = [tmp_path / str(index) for index in range(3)]
    is_enough = asyncio.Event()

    async def load() -> None:
        # Until every worker has had its part, however long a busy machine takes to start them.
        async with producer(servers) as made:
            while len(everything) < RECORDS or not is_enough.is_set() or len(everything) % PARTITIONS:
                number = len(everything)
                everything.append((number % PARTITIONS, number // PARTITIONS))
                await made.send(topic, b"%d" % number, partition=number % PARTITIONS)
                if number % 50 == 0:
                    await asyncio.sleep(0.25)

    async def watch_commits() -> None:
        while True:
            # What is committed by now was done, and so written, before.
            try:
                committed = await committed_offsets(servers, group)
            except GroupCoordinatorNotAvailableError:
                # Kafka makes the topic of offsets when the first group comes.
                committed = {}
            assert not not_done_below(committed, everything, files)
            await asyncio.sleep(0.2)

    watching = asyncio.create_task(watch_commits())
    loading = asyncio.create_task(load())
    workers = [WorkerProcess(files[0], **config, delay_s=0.004)]
    try:
        await until(lambda: len(read_effects(files[0])) > 100, "the first worker to do some")
        workers.append(WorkerProcess(files[1], **config, delay_s=0.004))
        await until(lambda: len(read_effects(files[1])) > 100, "the second worker to do some")
        workers.append(WorkerProcess(files[2], **config, delay_s=0.004))
        await until(lambda: len(read_effects(files[2])) > 100, "the third worker to do some")
        workers[1].kill()
        is_enough.set()
        await loading
        done = set(range(len(everything)))
        await until(lambda: {n for *_, n in read_effects(*files)} == done, "all to be done")
        ends = dict.fromkeys(range(PARTITIONS), len(everything) // PARTITIONS)
        await until_committed(servers, group, ends)
        assert not watching.done(), watching.result()
        workers[0].stop()
        workers[2].stop()
    finally:
        watching.cancel()
        for worker in workers:
            if worker.is_running:
                worker.kill()
    assert await committed_offsets(servers, group) == ends


async def test_a_worker_that_was_frozen_comes_back(kafka, topic_prefix: str, tmp_path: Path) -> None:
    """Longer than its session and its poll interval: the group goes on without it, and takes it again."""
    servers, topic = kafka.bootstrap_servers, topic_prefix + "numbers"
    await create_topic(servers, topic, 2)
    config = {
        "bootstrap_servers": servers,
        "prefix": topic_prefix,
        "role": "role",
        "topic": topic,
        "hold": 50,
    }
    config |= {"max_poll_interval_s": 4.0, "delay_s": 0.001}
    files = [tmp_path / "0", tmp_path / "1"]

    async def publish(numbers: range) -> None:
        async with producer(servers) as made:
            for number in numbers:
                await made.send(topic, b"%d" % number, partition=number % 2)

    workers = [WorkerProcess(file, **config) for file in files]
    try:
        await publish(range(200))
        await until(lambda: {n for *_, n in read_effects(*files)} == set(range(200)), "the first records")
        workers[0].freeze()
        await publish(range(200, 400))
        await until(lambda: {n for *_, n in read_effects(*files)} == set(range(400)), "the other to do all")
        await asyncio.sleep(3.0)
        workers[0].thaw()
        workers[1].kill()
        await publish(range(400, 600))
        await until(
            lambda: {n for *_, n in read_effects(*files)} == set(range(600)), "the frozen one to do it"
        )
        workers[0].stop()
    finally:
        for worker in workers:
            if worker.is_running:
                worker.kill()
