"""Following a whole topic from outside any group: from its start, or from given positions, and ever on.

For what every worker holds in memory: all partitions are read by each. A reader that falls behind, or
finds Kafka away, goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import ConsumerRecord, TopicPartition

from streams.consumer import Consumer
from streams.settings import Settings
from workers.reading_task import ReadingTask

READ_RECORDS = 2_000
PARTITIONS_CHECK_S = 5.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How much of the event loop a follower may take; see `TopicFollower`."""

    batch_records: int = READ_RECORDS
    loop_share: float = 1.0
    gate: asyncio.Event | None = None


UNPACED = Pace()
# Beside lists that are made: a few records at a time, a quarter of the loop's time.
BESIDE_LISTS = Pace(32, 0.25)


class TopicFollower:
    """Reads a topic and hands its records on, batch by batch, in the order of each partition.

    Args:
        take: Called on the event loop with the records of one read; must not raise for what a record holds.
        until: Partition → the offset before which records count as the start; by default, and at most, the
            end positions seen at the start.
        on_caught_up: Called once, after exactly the records of the start were taken.
        batch_records: Records of one read, at most: what is taken holds the event loop.
        gate: Nothing is read while it is not set.
        loop_share: Of the event loop's time, what taking records may hold at most; above 0, to 1.
        start_records: Of the start, so many newest records are read, about, and twice an even share of each
            partition at most; by default all.
        gather_s: How long to wait after a read before the next, so that it brings more at once: each costs
            a round trip, whatever it brings. Not before the start is complete, nor after a full read.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        take: Callable[[Sequence[ConsumerRecord]], None],
        *,
        until: Mapping[int, int] | None = None,
        on_caught_up: Callable[[], None] = lambda: None,
        batch_records: int = READ_RECORDS,
        gate: asyncio.Event | None = None,
        loop_share: float = 1.0,
        start_records: int | None = None,
        gather_s: float = 0.0,
    ) -> None:
        self._gather_s = gather_s
        self._rest = 1.0 / loop_share - 1.0
        self._topic = topic
        self._take = take
        self._positions: dict[TopicPartition, int] = {}
        self._until = until
        self._gate = gate
        self._start_records = start_records
        self._on_caught_up = on_caught_up
        self._batch_records = batch_records
        self._reading = ReadingTask(
            settings, topic, self._read, offset_reset="earliest", check_s=PARTITIONS_CHECK_S
        )
        self._caught_up = self._reading.ready

    @property
    def positions(self) -> dict[int, int]:
        """Partition → the next offset to be taken, of the partitions of which something was taken."""
        return {partition.partition: offset for partition, offset in self._positions.items()}

    def begin_at(self, positions: Mapping[int, int]) -> None:
        """Begin these partitions where another has ended, and the others at their start; before `start`."""
        self._positions = {TopicPartition(self._topic, number): at for number, at in positions.items()}

    async def start(self) -> None:
        """Read until the end positions seen at the start are reached; go on in the background."""
        await self._reading.start()

    async def stop(self) -> None:
        """Stop following."""
        await self._reading.stop()

    async def _read(self, consumer: Consumer) -> None:
        loop = asyncio.get_running_loop()
        targets: dict[TopicPartition, int] | None = None
        next_check = 0.0
        while True:
            if self._gate is not None:
                await self._gate.wait()
            if loop.time() >= next_check:
                await self._assign(consumer)
                next_check = loop.time() + PARTITIONS_CHECK_S
            if targets is None and consumer.assignment() and not self._caught_up.is_set():
                targets = self._targets(await consumer.end_offsets(list(consumer.assignment())))
                await self._skip_old(consumer, targets)
            batches = await consumer.getmany(timeout_ms=200, max_records=self._batch_records)
            if self._gate is not None:
                # It may have closed while Kafka was asked.
                await self._gate.wait()
            began_s = loop.time()
            for partition, records in batches.items():
                self._take_of(consumer, partition, records, targets.get(partition) if targets else None)
            if batches and (self._rest or self._gather_s):
                # After a full read more is waiting already: a pause would limit how many come in a second.
                is_full = sum(map(len, batches.values())) >= self._batch_records
                gather_s = self._gather_s if self._caught_up.is_set() and not is_full else 0.0
                await asyncio.sleep(max(self._rest * (loop.time() - began_s), gather_s))
            if targets is not None and not self._caught_up.is_set():
                # The consumer's own position also passes what compaction or a marker left out.
                here = {partition: await consumer.position(partition) for partition in targets}
                if all(here[partition] >= end for partition, end in targets.items()):
                    self._on_caught_up()
                    self._caught_up.set()
                    targets = None
                    consumer.resume(*consumer.paused())

    def _targets(self, ends: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        until = self._until
        if until is None:
            return dict(ends)
        return {partition: min(end, until.get(partition.partition, end)) for partition, end in ends.items()}

    async def _skip_old(self, consumer: Consumer, targets: Mapping[TopicPartition, int]) -> None:
        if self._start_records is None:
            return
        share = math.ceil(2 * self._start_records / len(targets))
        for partition, target in targets.items():
            if partition not in self._positions and target - share > await consumer.position(partition):
                consumer.seek(partition, target - share)

    def _take_of(
        self,
        consumer: Consumer,
        partition: TopicPartition,
        records: Sequence[ConsumerRecord],
        target: int | None,
    ) -> None:
        """Take records; those at ``target`` and after it are read again once the start is complete."""
        if target is not None and records[-1].offset + 1 >= target:
            records = [record for record in records if record.offset < target]
            consumer.seek(partition, target)
            consumer.pause(partition)
            position = target
        else:
            position = records[-1].offset + 1
        if records:
            self._take(records)
        # After it: what could not be taken is read again, and is never said to have been.
        self._positions[partition] = position

    async def _assign(self, consumer: Consumer) -> None:
        """Take every partition the topic now has; begin new ones at their start."""
        found = await consumer._client.fetch_all_metadata()
        numbers = found.partitions_for_topic(self._topic) or set()
        wanted = {TopicPartition(self._topic, number) for number in numbers}
        if wanted == consumer.assignment():
            return
        consumer.assign(sorted(wanted))
        for partition in wanted:
            if partition in self._positions:
                consumer.seek(partition, self._positions[partition])
            else:
                await consumer.seek_to_beginning(partition)
