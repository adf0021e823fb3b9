"""Workers killed with SIGKILL lose nothing, whatever the order of their work and the gaps in the log."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.integration.driver_helpers import (
    STOCK_WORKER,
    WORKER,
    WorkerProcess,
    committed_offsets,
    create_topic,
    log_end,
    not_done_below,
    producer,
    publish_numbers,
    publish_transactions,
    read_effects,
    read_offsets,
    until,
)


async def test_killed_with_work_done_out_of_order_nothing_is_lost(
    kafka, topic_prefix: str, tmp_path: Path
) -> None:
    topic, group = topic_prefix + "numbers", topic_prefix + "role"
    await create_topic(kafka.bootstrap_servers, topic, 3)
    numbers, each = range(3000), 1000
    await publish_numbers(kafka.bootstrap_servers, topic, numbers, partitions=3)
    config = {
        "bootstrap_servers": kafka.bootstrap_servers,
        "prefix": topic_prefix,
        "role": "role",
        "topic": topic,
        "hold": 200,
    }
    first, second = tmp_path / "first", tmp_path / "second"
    worker = WorkerProcess(first, **config, delay_s=0.01)
    await until(lambda: len(read_effects(first)) > 250, "the first worker to do some")
    # The first commit comes when the driver's timer says so, not after a time a test could name.
    for _ in range(600):
        if any((await committed_offsets(kafka.bootstrap_servers, group)).values()):
            break
        await asyncio.sleep(0.05)
    worker.kill()

    done = read_effects(first)
    committed = await committed_offsets(kafka.bootstrap_servers, group)
    everything = [(partition, offset) for partition in range(3) for offset in range(each)]
    assert 0 < len(done) < len(numbers)
    assert sum(committed.values()) > 0
    assert not not_done_below(committed, everything, [first])

    worker = WorkerProcess(second, **config, delay_s=0.0)
    await until(lambda: {n for *_, n in read_effects(first, second)} == set(numbers), "all to be done")
    worker.stop()
    assert await committed_offsets(kafka.bootstrap_servers, group) == dict.fromkeys(range(3), each)
    # What was committed is not done again.
    assert not {(p, o) for p, o, _ in read_effects(second) if o < committed.get(p, 0)}


async def fill_with_transactions(bootstrap_servers: str, topic: str) -> dict[int, int]:
    """A marker behind every record. Returns number to offset."""
    await create_topic(bootstrap_servers, topic, 1, **{"cleanup.policy": "compact"})
    await publish_transactions(bootstrap_servers, topic, range(200))
    return {number: 2 * number for number in range(200)}


async def fill_and_compact(bootstrap_servers: str, topic: str) -> dict[int, int]:
    """Every other record is superseded and compacted away. Returns number to offset of those that stay."""
    config = {
        "cleanup.policy": "compact",
        "segment.ms": "50",
        "min.cleanable.dirty.ratio": "0.0",
        "max.compaction.lag.ms": "100",
        "min.compaction.lag.ms": "0",
    }
    await create_topic(bootstrap_servers, topic, 1, **config)
    async with producer(bootstrap_servers) as made:
        for number in range(400):
            # Even numbers have one key, so that only the last of them is kept.
            key = b"%d" % number if number % 2 else b"even"
            await made.send_and_wait(topic, b"%d" % number, key=key, partition=0)
        for _ in range(3):
            await asyncio.sleep(0.2)
            # A segment is closed, and so may be compacted, when a record comes after it.
            await made.send_and_wait(topic, b"0", key=b"last", partition=0)
    for _ in range(300):
        if len(await read_offsets(bootstrap_servers, topic)) < 210:
            break
        await asyncio.sleep(0.2)
    else:
        raise AssertionError("the log was not compacted")
    return {number: number for number in range(1, 400, 2)}


@pytest.mark.parametrize("fill", [fill_with_transactions, fill_and_compact])
@pytest.mark.parametrize("module", [WORKER, STOCK_WORKER], ids=["driver", "stock-faust"])
async def test_killed_on_a_log_with_gaps(kafka, topic_prefix: str, tmp_path: Path, fill, module: str) -> None:
    """The driver loses nothing, stock Faust does, with the same work in the same order.

    Stock Faust's `_add_gap` takes the record behind a gap as acknowledged too; where one further on is
    done first, the commit passes what is in flight.
    """
    servers = kafka.bootstrap_servers
    topic, group = topic_prefix + "compacted", topic_prefix + "role"
    offsets = await fill(servers, topic)
    config = {
        "bootstrap_servers": servers,
        "prefix": topic_prefix,
        "role": "role",
        "topic": topic,
        "hold": 20,
    }
    first, second = tmp_path / "first", tmp_path / "second"
    worker = WorkerProcess(first, module, **config, delay_s=0.3)
    await until(lambda: len(read_effects(first)) >= 8, "the first worker to do some")
    positions = [(0, offset) for offset in offsets.values()]
    if module is STOCK_WORKER:
        # It commits when its timer says so: seen once it has passed what is in flight.
        for _ in range(100):
            # It stands still meanwhile: what is in flight when it is seen is in flight when it is killed.
            worker.freeze()
            if not_done_below(await committed_offsets(servers, group), positions, [first]):
                break
            worker.thaw()
            await asyncio.sleep(0.3)
    worker.kill()
    committed = await committed_offsets(servers, group)
    lost = not_done_below(committed, positions, [first])
    left = {(0, offset) for offset in offsets.values() if offset >= committed.get(0, 0)}
    assert left

    worker = WorkerProcess(second, module, **config, delay_s=0.0)
    await until(
        lambda: left <= {(p, o) for p, o, _ in read_effects(first, second)}, "what is left to be done"
    )
    if module is WORKER:
        # The records behind the numbered ones may still be in flight.
        end = {0: await log_end(servers, topic)}
        for _ in range(600):
            if await committed_offsets(servers, group) == end:
                break
            await asyncio.sleep(0.05)
        worker.stop()
        assert not lost
        assert offsets.keys() <= {number for *_, number in read_effects(first, second)}
        # The commit is behind the last record and the markers after it: nothing is left to read.
        assert await committed_offsets(servers, group) == end
    else:
        worker.kill()
        assert lost
        assert not lost & {(p, o) for p, o, _ in read_effects(first, second)}
        assert not offsets.keys() <= {number for *_, number in read_effects(first, second)}
