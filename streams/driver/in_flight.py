"""Everything that was fetched and is not done: the queue, the budget, and each partition's acks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from time import monotonic
from typing import NamedTuple

from streams.acks import AckTracker
from streams.driver.delivery import Delivery, SourcePartition
from streams.records import Record


class Assignment:
    """One partition, from the moment that its start position is known until it is taken away."""

    def __init__(self, source: SourcePartition, position: int, log_end: int) -> None:
        self.source = source
        self.tracker = AckTracker(position)
        self.committed = position
        self.log_end = log_end
        self.is_open = True
        self.waiting_records = 0
        self.handed_out = 0
        self.undone_records = 0
        self.undone_bytes = 0

    @property
    def lag(self) -> int:
        """Offsets between what is done and the end of the log."""
        return max(0, self.log_end - self.tracker.committable)


class Batch(NamedTuple):
    """What one fetch found in one partition: the records within the offsets ``[start, end)``."""

    assignment: Assignment
    start: int
    end: int
    records: Sequence[Record]
    log_end: int

    @property
    def size_bytes(self) -> int:
        """Bytes of keys and values."""
        return sum([len(one.key or b"") + len(one.value or b"") for one in self.records])


class InFlight:
    """The records between Kafka and `Delivery.done`, within a budget.

    Fetching waits for `room`, so at most one fetch goes over the budget. Under backlog it also waits until
    half of what may be in flight is handed out: a fetch costs the same whether it brings one record or
    thousands. Lives in one event loop.
    """

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._queue: deque[tuple[Assignment, list[Delivery]]] = deque()
        self._open: dict[tuple[str, int], Assignment] = {}
        self._finishers: dict[Assignment, Callable[[Delivery], None]] = {}
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._has_work = asyncio.Event()
        self._came_back = asyncio.Event()
        # Fetched, and not handed out yet.
        self._waiting = 0
        self.records = 0
        self.size_bytes = 0
        self.last_progress_s = monotonic()

    @property
    def assignments(self) -> Sequence[Assignment]:
        """The open assignments."""
        return list(self._open.values())

    def find(self, topic: str, partition: int) -> Assignment | None:
        """The open assignment of a partition."""
        return self._open.get((topic, partition))

    @property
    def room_records(self) -> int:
        """Records that may still be fetched; 0 while the budget is used up."""
        return max(0, self._max_records - self.records) if self.size_bytes < self._max_bytes else 0

    async def room(self) -> None:
        """Wait until something may be fetched."""
        await self._has_room.wait()

    def open(self, assignment: Assignment) -> None:
        """Begin to accept records of a partition."""
        key = assignment.source.topic, assignment.source.partition
        self._open[key] = assignment
        self._finishers[assignment] = partial(self._done, assignment)

    def expect(self, batch: Batch) -> bool:
        """Count a fetched batch against the budget; False where its partition was taken away."""
        assignment = batch.assignment
        if not assignment.is_open:
            return False
        size_bytes = batch.size_bytes
        assignment.waiting_records += len(batch.records)
        self._waiting += len(batch.records)
        assignment.undone_records += len(batch.records)
        assignment.undone_bytes += size_bytes
        assignment.log_end = max(assignment.log_end, batch.log_end)
        self._count(len(batch.records), size_bytes)
        return True

    def arrive(self, batch: Batch) -> bool:
        """Queue the records of an expected batch.

        Returns:
            False where the batch doesn't begin where the last one ended: position the partition anew.
        """
        assignment = batch.assignment
        if not assignment.is_open:
            return True
        if batch.start != assignment.tracker.next_position:
            return False
        assignment.tracker.deliver(batch.start, batch.end, [record.offset for record in batch.records])
        finish = self._finishers[assignment]
        if batch.records:
            self._queue.append((assignment, [Delivery(record, finish) for record in batch.records]))
            self._has_work.set()
        elif not self._queue:
            self.last_progress_s = monotonic()
        return True

    async def take(self, limit: int) -> list[Delivery]:
        """Wait for records, and hand out what is there now, ``limit`` at most."""
        while not self._queue:
            self._has_work.clear()
            await self._has_work.wait()
        taken: list[Delivery] = []
        while self._queue and len(taken) < limit:
            assignment, deliveries = self._queue.popleft()
            room = limit - len(taken)
            if len(deliveries) > room:
                self._queue.appendleft((assignment, deliveries[room:]))
                del deliveries[room:]
            assignment.handed_out += len(deliveries)
            assignment.waiting_records -= len(deliveries)
            taken += deliveries
        self._waiting -= len(taken)
        self._note_room()
        return taken

    def is_current(self, delivery: Delivery) -> bool:
        """Whether the partition of a delivery is still ours."""
        record = delivery.record
        assignment = self.find(record.topic, record.partition)
        return assignment is not None and self._finishers[assignment] is delivery.finisher

    def halt(self, assignments: Iterable[Assignment]) -> None:
        """Hand out no further records of these."""
        halted = set(assignments)
        self._queue = deque(entry for entry in self._queue if entry[0] not in halted)

    async def all_back(self, assignments: Iterable[Assignment]) -> None:
        """Wait until what was handed out of these is done."""
        waited_for = list(assignments)
        while any(assignment.handed_out for assignment in waited_for):
            self._came_back.clear()
            await self._came_back.wait()

    def close(self, assignments: Iterable[Assignment]) -> None:
        """Drop what is left of these: a late `Delivery.done` has no effect."""
        closed = [assignment for assignment in assignments if assignment.is_open]
        self.halt(closed)
        for assignment in closed:
            assignment.is_open = False
            key = assignment.source.topic, assignment.source.partition
            if self._open.get(key) is assignment:
                del self._open[key]
            del self._finishers[assignment]
            self._waiting -= assignment.waiting_records
            self._count(-assignment.undone_records, -assignment.undone_bytes)

    def _done(self, assignment: Assignment, delivery: Delivery) -> None:
        # Called for every record: written out, and without what could be left out.
        if not assignment.is_open:
            return
        record = delivery.record
        size_bytes = len(record.key or b"") + len(record.value or b"")
        assignment.tracker.done(record.offset)
        assignment.handed_out -= 1
        assignment.undone_records -= 1
        assignment.undone_bytes -= size_bytes
        self.records -= 1
        self.size_bytes -= size_bytes
        self.last_progress_s = monotonic()
        if not assignment.handed_out:
            self._came_back.set()
        if not self._has_room.is_set():
            self._note_room()

    def _count(self, records: int, size_bytes: int) -> None:
        self.records += records
        self.size_bytes += size_bytes
        self._note_room()

    def _note_room(self) -> None:
        is_used_up = self.records >= self._max_records or self.size_bytes >= self._max_bytes
        if is_used_up or self._waiting > self._max_records // 2:
            self._has_room.clear()
        else:
            self._has_room.set()
