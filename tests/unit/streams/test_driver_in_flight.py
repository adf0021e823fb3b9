from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import pytest

from streams.driver import Delivery, Finish, SourcePartition
from streams.driver.in_flight import Assignment, Batch, InFlight
from streams.driver.work import WorkLoop
from streams.errors import ConfigurationError, DependencyDownError
from streams.records import Record


def batch_of(assignment: Assignment, start: int, end: int, size_bytes: int = 10) -> Batch:
    topic, uuid, partition = assignment.source
    records = [Record(topic, uuid, partition, n, 0, None, bytes(size_bytes)) for n in range(start, end)]
    return Batch(assignment, start, end, records, log_end=end)


def opened(in_flight: InFlight, partition: int = 0, position: int = 0) -> Assignment:
    assignment = Assignment(SourcePartition("t", "u", partition), position, position)
    in_flight.open(assignment)
    return assignment


def fill(in_flight: InFlight, assignment: Assignment, start: int, end: int, size_bytes: int = 10) -> None:
    batch = batch_of(assignment, start, end, size_bytes)
    assert in_flight.expect(batch)
    assert in_flight.arrive(batch)


async def test_the_budget_counts_from_the_fetch_to_done() -> None:
    in_flight = InFlight(max_records=5, max_bytes=1_000)
    assignment = opened(in_flight)
    fill(in_flight, assignment, 0, 4)
    assert in_flight.room_records == 1
    fill(in_flight, assignment, 4, 6)
    assert in_flight.room_records == 0
    waiting = asyncio.create_task(in_flight.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    first, second, *_ = await in_flight.take(10)
    first.done()
    first.done()
    assert (in_flight.records, in_flight.size_bytes) == (5, 50)
    second.done()
    await asyncio.wait_for(waiting, 60)
    assert in_flight.room_records == 1


async def test_bytes_alone_use_the_budget_up() -> None:
    in_flight = InFlight(max_records=100, max_bytes=30)
    fill(in_flight, opened(in_flight), 0, 3)
    assert in_flight.room_records == 0


async def test_closing_gives_the_budget_back_and_makes_late_done_harmless() -> None:
    in_flight = InFlight(max_records=10, max_bytes=1_000)
    old, other = opened(in_flight, 0), opened(in_flight, 1)
    fill(in_flight, old, 0, 4)
    fill(in_flight, other, 0, 2)
    taken = await in_flight.take(3)
    in_flight.close([old])
    assert (in_flight.records, in_flight.size_bytes) == (2, 20)
    new = opened(in_flight, 0, position=0)
    fill(in_flight, new, 0, 4)
    for delivery in taken:
        assert not in_flight.is_current(delivery)
        delivery.done()
    assert new.tracker.committable == 0
    assert in_flight.records == 6
    # Nothing of the old assignment is handed out any more.
    again = await in_flight.take(100)
    assert [(d.record.partition, d.record.offset) for d in again] == [
        (1, 0),
        (1, 1),
        (0, 0),
        (0, 1),
        (0, 2),
        (0, 3),
    ]
    assert all(in_flight.is_current(delivery) for delivery in again)


async def test_a_batch_that_does_not_follow_is_not_taken() -> None:
    in_flight = InFlight(max_records=10, max_bytes=1_000)
    assignment = opened(in_flight)
    batch = batch_of(assignment, 3, 5)
    assert in_flight.expect(batch)
    assert not in_flight.arrive(batch)
    in_flight.close([assignment])
    assert in_flight.records == 0
    assert not in_flight.expect(batch)


async def test_waiting_for_what_was_handed_out_does_not_wait_for_the_queue() -> None:
    in_flight = InFlight(max_records=10, max_bytes=1_000)
    assignment = opened(in_flight)
    fill(in_flight, assignment, 0, 4)
    taken = await in_flight.take(2)
    in_flight.halt([assignment])
    waiting = asyncio.create_task(in_flight.all_back([assignment]))
    taken[1].done()
    await asyncio.sleep(0)
    assert not waiting.done()
    assert assignment.tracker.committable == 0
    taken[0].done()
    await asyncio.wait_for(waiting, 60)
    assert assignment.tracker.committable == 2


class Failing:
    """Raises what `failures` holds for a call, in turn; finishes the records where that is None."""

    def __init__(self, *failures: Exception | None) -> None:
        self.failures = list(failures)
        self.calls: list[list[int]] = []

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        self.calls.append([delivery.record.offset for delivery in deliveries])
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            deliveries[0].done()
            raise failure
        for delivery in deliveries:
            delivery.done()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.driver.work.FIRST_PAUSE_S", 0.001)


async def work_through(processor: Failing, records: int) -> list[int]:
    """Run a loop until all records are done; the offsets that were poison."""
    in_flight = InFlight(max_records=100, max_bytes=10_000)
    assignment = opened(in_flight)
    poison: list[int] = []

    async def on_poison(delivery: Delivery, error: Exception) -> None:
        poison.append(delivery.record.offset)

    loop = WorkLoop("role", in_flight, processor, on_poison, batch_records=3)
    fill(in_flight, assignment, 0, records)
    running = asyncio.create_task(loop.run())
    async with asyncio.timeout(60):
        while in_flight.records or loop.paused_since_s is not None:
            await asyncio.sleep(0.001)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert assignment.tracker.committable == records
    return poison


async def test_after_a_pause_only_what_is_not_done_is_handed_in_again() -> None:
    processor = Failing(DependencyDownError("down"), DependencyDownError("down"))
    assert await work_through(processor, 5) == []
    assert processor.calls == [[0, 1, 2], [1, 2], [2], [3, 4]]


async def test_a_password_that_is_taken_no_more_is_waited_out_and_makes_no_poison() -> None:
    refused = ConfigurationError("Redis refuses the password")
    processor = Failing(refused, ValueError("batch"), refused)
    assert await work_through(processor, 4) == []
    assert processor.calls == [[0, 1, 2], [1, 2], [2], [3]]


async def test_a_defect_is_narrowed_to_one_record() -> None:
    processor = Failing(ValueError("batch"), None, DependencyDownError("down"))
    assert await work_through(processor, 3) == []
    assert processor.calls == [[0, 1, 2], [1], [2]]


async def test_a_record_that_fails_alone_is_poison() -> None:
    class NeverOne(Failing):
        async def process(self, deliveries: Sequence[Delivery]) -> None:
            self.calls.append([delivery.record.offset for delivery in deliveries])
            if any(delivery.record.offset == 1 for delivery in deliveries):
                raise ValueError("one")
            for delivery in deliveries:
                delivery.done()

    processor = NeverOne()
    assert await work_through(processor, 5) == [1]
    assert processor.calls == [[0, 1, 2], [0], [1], [2], [3, 4]]


class Overlapping:
    """Lets a test say when what a batch has sent arrives; by offset of the batch's first record."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.may_arrive: dict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self.begin_fails: set[int] = set()
        self.finish_fails: set[int] = set()
        self.alone: set[int] = set()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def begin(self, deliveries: Sequence[Delivery]) -> Finish | None:
        first = deliveries[0].record.offset
        if first in self.alone:
            return None
        self.told.append(("begin", first))
        if first in self.begin_fails:
            raise DependencyDownError("Redis is down")

        async def finish() -> None:
            self.told.append(("finish", first))
            try:
                await self.may_arrive[first].wait()
            except asyncio.CancelledError:
                self.told.append(("given up", first))
                raise
            if first in self.finish_fails:
                deliveries[0].done()
                raise DependencyDownError("Kafka is down")
            self.told.append(("arrived", first))
            for delivery in deliveries:
                delivery.done()

        return finish

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        self.told.append(("process", deliveries[0].record.offset))
        for delivery in deliveries:
            delivery.done()


@contextlib.asynccontextmanager
async def working(processor: Overlapping, records: int) -> AsyncIterator[Assignment]:
    """A loop over batches of two."""
    in_flight = InFlight(max_records=100, max_bytes=10_000)
    assignment = opened(in_flight)

    async def on_poison(delivery: Delivery, error: Exception) -> None:
        raise AssertionError(error)

    running = asyncio.create_task(WorkLoop("role", in_flight, processor, on_poison, batch_records=2).run())
    fill(in_flight, assignment, 0, records)
    try:
        await settled()
        yield assignment
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_one_batch_is_on_its_way_while_the_next_is_worked_on() -> None:
    processor = Overlapping()
    async with working(processor, 6) as assignment:
        # The third waits until the first has arrived, and so does what the second has to send.
        assert processor.told == [("begin", 0), ("finish", 0), ("begin", 2)]
        processor.may_arrive[0].set()
        await settled()
        assert processor.told[3:] == [("arrived", 0), ("finish", 2), ("begin", 4)]
        assert assignment.tracker.committable == 2
        processor.may_arrive[2].set()
        processor.may_arrive[4].set()
        await settled()
        assert processor.told[6:] == [("arrived", 2), ("finish", 4), ("arrived", 4)]
        assert assignment.tracker.committable == 6


async def test_what_has_not_arrived_is_processed_again_before_later_batches_are_sent() -> None:
    processor = Overlapping()
    processor.finish_fails = {0}
    async with working(processor, 4) as assignment:
        processor.may_arrive[0].set()
        processor.may_arrive[2].set()
        await settled()
        # Offset 0 was done when it failed.
        again = [("process", 1), ("finish", 2), ("arrived", 2)]
        assert processor.told == [("begin", 0), ("finish", 0), ("begin", 2), *again]
        assert assignment.tracker.committable == 4


async def test_what_has_not_arrived_is_processed_again_though_nothing_comes_after_it() -> None:
    processor = Overlapping()
    processor.finish_fails = {0}
    async with working(processor, 2) as assignment:
        processor.may_arrive[0].set()
        await settled()
        assert processor.told == [("begin", 0), ("finish", 0), ("process", 1)]
        assert assignment.tracker.committable == 2


async def test_what_cannot_be_begun_is_processed_alone() -> None:
    processor = Overlapping()
    processor.begin_fails, processor.alone = {2}, {4}
    async with working(processor, 6) as assignment:
        assert processor.told == [("begin", 0), ("finish", 0), ("begin", 2)]
        processor.may_arrive[0].set()
        await settled()
        assert processor.told[3:] == [("arrived", 0), ("process", 2), ("process", 4)]
        assert assignment.tracker.committable == 6


async def test_a_loop_that_ends_gives_up_what_is_on_its_way() -> None:
    processor = Overlapping()
    async with working(processor, 4) as assignment:
        assert processor.told == [("begin", 0), ("finish", 0), ("begin", 2)]
    assert processor.told[3:] == [("given up", 0)]
    assert assignment.tracker.committable == 0
