"""One worker: order, budget, long batches, pauses, poison, and what a stop leaves behind."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from time import monotonic
from typing import Any

from structlog.testing import capture_logs

from streams.driver import Delivery, RoleRunner, SourcePartition
from streams.errors import DependencyDownError
from tests.integration.driver_helpers import (
    Recorder,
    committed_offsets,
    create_topic,
    no_poison,
    producer,
    publish_numbers,
    running,
    settings_for,
    until,
)

MEBIBYTE = 1 << 20


def runner_for(
    kafka: Any, prefix: str, processor: Recorder, on_poison: Any = no_poison, **worker: Any
) -> RoleRunner:
    settings = settings_for(kafka.bootstrap_servers, prefix, **worker)
    return RoleRunner(settings, "role", [prefix + "numbers"], processor, on_poison=on_poison)


async def test_every_record_once_in_order_within_its_partition(kafka, topic_prefix: str) -> None:
    topic = topic_prefix + "numbers"
    await create_topic(kafka.bootstrap_servers, topic, 4)
    await publish_numbers(kafka.bootstrap_servers, topic, range(20_000), partitions=4)
    recorder = Recorder()
    async with running(runner_for(kafka, topic_prefix, recorder)) as runner:
        await until(lambda: len(recorder.records) >= 20_000, "all records")
        assert sorted(recorder.numbers) == list(range(20_000))
        await until(lambda: runner.stats().lag == 0, "no lag")
        stats = runner.stats()
        assert (stats.in_flight_records, stats.in_flight_bytes) == (0, 0)
        assert [partition.done for partition in stats.partitions] == [5_000] * 4
    by_partition = defaultdict(list)
    for record in recorder.records:
        by_partition[record.partition].append(record.offset)
    assert dict(by_partition) == {partition: list(range(5_000)) for partition in range(4)}
    assert max(recorder.batches) <= 500
    assert len({record.topic_uuid for record in recorder.records}) == 1
    record = recorder.records[0]
    assert record.key == record.value
    assert record.timestamp_ms > 1_600_000_000_000
    assert recorder.started
    assert recorder.stopped
    assert {source.partition for source in recorder.assigned} == {0, 1, 2, 3}
    assert sorted(recorder.revoked) == sorted(recorder.assigned)
    assert await committed_offsets(kafka.bootstrap_servers, topic_prefix + "role") == dict.fromkeys(
        range(4), 5_000
    )


async def test_a_batch_longer_than_the_poll_interval_keeps_its_partitions(kafka, topic_prefix: str) -> None:
    topic = topic_prefix + "numbers"
    await create_topic(kafka.bootstrap_servers, topic, 2)
    await publish_numbers(kafka.bootstrap_servers, topic, range(100), partitions=2)
    recorder = Recorder()

    async def slow_at_first(deliveries: Sequence[Delivery]) -> None:
        if len(recorder.batches) == 1:
            await asyncio.sleep(22)
        recorder.finish(deliveries)

    recorder.behave = slow_at_first
    # The budget is used up meanwhile, so that nothing is fetched either.
    runner = runner_for(kafka, topic_prefix, recorder, max_poll_interval_s=10.0, max_in_flight_records=20)
    async with running(runner):
        await until(lambda: len(recorder.records) >= 100, "all records")
        assert sorted(recorder.numbers) == list(range(100))
        assert len(recorder.assigned) == 2
        assert recorder.revoked == []
        assert runner.stats().restarts == 0


async def test_bytes_in_flight_stay_within_the_budget_and_one_fetch(kafka, topic_prefix: str) -> None:
    topic = topic_prefix + "numbers"
    await create_topic(kafka.bootstrap_servers, topic, 3, **{"max.message.bytes": str(9 * MEBIBYTE)})
    async with producer(kafka.bootstrap_servers, max_request_size=9 * MEBIBYTE) as made:
        for number in range(24):
            await made.send_and_wait(topic, b"%d" % number + b" " * 3 * MEBIBYTE, partition=number % 3)
        await made.send_and_wait(topic, b"24" + b" " * 8 * MEBIBYTE, partition=0)
    recorder = Recorder()
    held: list[Delivery] = []
    recorder.behave = held.extend
    runner = runner_for(kafka, topic_prefix, recorder, max_in_flight_bytes=8 * MEBIBYTE)
    async with running(runner):
        await until(lambda: runner.stats().in_flight_bytes >= 8 * MEBIBYTE, "the budget to be used up")
        await asyncio.sleep(2.0)
        largest = 0
        while len(recorder.records) < 25:
            stats = runner.stats()
            largest = max(largest, stats.in_flight_bytes)
            # A fetch holds a quarter of the budget, or one message that is larger.
            assert stats.in_flight_bytes <= (8 + 3 * 3 + 8) * MEBIBYTE
            assert len(recorder.records) + stats.in_flight_records <= 25
            if held:
                recorder.finish([held.pop(0)])
            await asyncio.sleep(0.05)
        # Two messages in hand are within the budget, so what was fetched of each partition is handed in: the
        # large one and one of each other, and some digits.
        assert largest < (2 * 3 + 8 + 3 + 3 + 1) * MEBIBYTE
        assert sorted(recorder.numbers) == list(range(25))
        assert runner.stats().in_flight_bytes == 0


async def test_records_in_flight_stay_within_the_budget(kafka, topic_prefix: str) -> None:
    topic = topic_prefix + "numbers"
    await create_topic(kafka.bootstrap_servers, topic, 3)
    await publish_numbers(kafka.bootstrap_servers, topic, range(3_000), partitions=3)
    recorder = Recorder()
    held: list[Delivery] = []
    recorder.behave = held.extend
    runner = runner_for(kafka, topic_prefix, recorder, max_in_flight_records=100)
    async with running(runner):
        await until(lambda: len(held) >= 100, "the budget to be used up")
        await asyncio.sleep(1.0)
        assert len(held) == 100
        # Every partition has its share.
        assert {delivery.record.partition for delivery in held} == {0, 1, 2}
        while len(recorder.records) < 3_000:
            recorder.finish(held[:50])
            del held[:50]
            await asyncio.sleep(0)
            assert runner.stats().in_flight_records <= 100
        assert sorted(recorder.numbers) == list(range(3_000))


async def test_a_dependency_that_is_down_pauses_the_worker(kafka, topic_prefix: str) -> None:
    topic = topic_prefix + "numbers"
    await create_topic(kafka.bootstrap_servers, topic, 2)
    await publish_numbers(kafka.bootstrap_servers, topic, range(50), partitions=2)
    recorder = Recorder()
    is_down = asyncio.Event()
    is_down.set()
    tried: list[tuple[int, ...]] = []

    def behave(deliveries: Sequence[Delivery]) -> None:
        tried.append(tuple(int(delivery.record.value or b"") for delivery in deliveries))
        if is_down.is_set():
            raise DependencyDownError("Redis does not answer")
        recorder.finish(deliveries)

    recorder.behave = behave
    runner = runner_for(kafka, topic_prefix, recorder)
    async with running(runner):
        await until(lambda: len(tried) >= 4, "some tries")
        assert len(set(tried[:4])) == 1
        stats = runner.stats()
        assert stats.state == "paused"
        assert stats.paused_since_s is not None
        assert stats.paused_since_s <= monotonic()
        assert stats.stalled_for_s() == 0
        await until(lambda: runner.stats().lag == 50, "both partitions to be read")
        assert await committed_offsets(kafka.bootstrap_servers, topic_prefix + "role") == {}
        is_down.clear()
        await until(lambda: len(recorder.records) == 50, "all records")
        assert sorted(recorder.numbers) == list(range(50))
        await until(lambda: runner.stats().state == "running", "running again")
        assert runner.stats().paused_since_s is None


async def test_a_record_that_fails_alone_is_poison_and_the_others_go_on(kafka, topic_prefix: str) -> None:
    topic = topic_prefix + "numbers"
    await create_topic(kafka.bootstrap_servers, topic, 1)
    await publish_numbers(kafka.bootstrap_servers, topic, range(50), partitions=1)
    recorder = Recorder()
    poison: list[tuple[int, str]] = []
    dead_letter_tries = 0

    def behave(deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            if int(delivery.record.value or b"") in (7, 30):
                raise ValueError(f"no good: {delivery.record.value!r}")
        recorder.finish(deliveries)

    async def on_poison(delivery: Delivery, error: Exception) -> None:
        nonlocal dead_letter_tries
        dead_letter_tries += 1
        if dead_letter_tries == 1:
            raise DependencyDownError("Kafka does not take the dead letter")
        poison.append((int(delivery.record.value or b""), str(error)))

    recorder.behave = behave
    async with running(runner_for(kafka, topic_prefix, recorder, on_poison)) as runner:
        await until(lambda: len(recorder.records) + len(poison) == 50, "all records")
        assert sorted(recorder.numbers) == [n for n in range(50) if n not in (7, 30)]
        assert poison == [(7, "no good: b'7'"), (30, "no good: b'30'")]
        await until(lambda: runner.stats().lag == 0, "no lag")
    assert await committed_offsets(kafka.bootstrap_servers, topic_prefix + "role") == {0: 50}


async def test_stop_commits_what_is_done_and_no_more(kafka, topic_prefix: str) -> None:
    topic = topic_prefix + "numbers"
    await create_topic(kafka.bootstrap_servers, topic, 1)
    await publish_numbers(kafka.bootstrap_servers, topic, range(100), partitions=1)
    recorder = Recorder()
    held: list[Delivery] = []

    def behave(deliveries: Sequence[Delivery]) -> None:
        held.extend(d for d in deliveries if int(d.record.value or b"") in (40, 60))
        recorder.finish([d for d in deliveries if d not in held])

    async def finish_while_the_stop_waits(partitions: Sequence[SourcePartition]) -> None:
        recorder.revoked.extend(partitions)
        asyncio.get_running_loop().call_soon(recorder.finish, [held[0]])

    recorder.behave = behave
    recorder.partitions_revoked = finish_while_the_stop_waits  # type: ignore[method-assign]
    runner = runner_for(kafka, topic_prefix, recorder, shutdown_timeout_s=2.0)
    async with running(runner):
        await until(lambda: len(recorder.records) == 98, "what is finished")
        runner.stop()
        await until(lambda: recorder.revoked, "the partitions to be given up")
    assert await committed_offsets(kafka.bootstrap_servers, topic_prefix + "role") == {0: 60}
    held[1].done()
    assert runner.stats().in_flight_records == 0

    again = Recorder()
    async with running(runner_for(kafka, topic_prefix, again)):
        await until(lambda: len(again.records) >= 40, "what was left")
    assert again.numbers == list(range(60, 100))


async def test_stop_at_once_waits_for_nothing(kafka, topic_prefix: str) -> None:
    topic = topic_prefix + "numbers"
    await create_topic(kafka.bootstrap_servers, topic, 1)
    await publish_numbers(kafka.bootstrap_servers, topic, range(20), partitions=1)
    recorder = Recorder()
    recorder.behave = lambda deliveries: recorder.finish(
        [one for one in deliveries if int(one.record.value or b"") != 12]
    )
    runner = runner_for(kafka, topic_prefix, recorder, shutdown_timeout_s=20.0)
    with capture_logs() as logs:
        async with running(runner):
            await until(lambda: len(recorder.records) == 19, "what is finished")
            runner.stop(at_once=True)
    assert not [one for one in logs if "unfinished" in one["event"]]
    assert await committed_offsets(kafka.bootstrap_servers, topic_prefix + "role") == {0: 12}
