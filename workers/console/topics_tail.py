"""Following several topics from near their ends, outside any group: what a page shows is what is new.

Unlike `workers.topic_follower`, which misses nothing, this one falls behind by a bounded number of records:
beyond, it goes on from the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from aiokafka import ConsumerRecord, TopicPartition

from streams.consumer import Consumer
from streams.settings import Settings
from workers.reading_task import ReadingTask

READ_RECORDS = 200
CHECK_S = 5.0
MAX_BEHIND_RECORDS = 5_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tailed:
    """A topic to be followed.

    Attributes:
        take: Called on the event loop with records of one partition; must not raise for what one holds.
        backlog_records: How many of the newest offsets, of all partitions together, are read first.
    """

    topic: str
    take: Callable[[Sequence[ConsumerRecord]], None]
    backlog_records: int = 0


class TopicsTail:
    """One consumer for several topics.

    Args:
        name: For the log.
    """

    def __init__(self, settings: Settings, name: str, tailed: Sequence[Tailed]) -> None:
        self._name = name
        self._tailed = {one.topic: one for one in tailed}
        self._positions: dict[TopicPartition, int] = {}
        self._timeout_s = settings.kafka.request_timeout_s
        self._reading = ReadingTask(settings, name, self._read, offset_reset="latest", check_s=CHECK_S)
        self.skipped_records = 0
        """Records that were passed over, as they came faster than they could be taken."""

    async def start(self) -> None:
        """Begin; once this returns, what is published to topics that exist is read.

        Raises:
            ConfigurationError: The settings cannot work.
        """
        await self._reading.start(self._timeout_s)

    async def stop(self) -> None:
        """Stop following."""
        await self._reading.stop()

    async def _read(self, consumer: Consumer) -> None:
        loop = asyncio.get_running_loop()
        next_check_s = 0.0
        while True:
            if loop.time() >= next_check_s:
                await self._assign(consumer)
                await self._skip_ahead(consumer)
                self._reading.ready.set()
                next_check_s = loop.time() + CHECK_S
            if not consumer.assignment():
                # None of the topics is there yet: aiokafka would wait, and never look again.
                await asyncio.sleep(next_check_s - loop.time())
                continue
            batches = await consumer.getmany(timeout_ms=200, max_records=READ_RECORDS)
            for partition, records in batches.items():
                self._positions[partition] = records[-1].offset + 1
                try:
                    self._tailed[partition.topic].take(records)
                except Exception:
                    # The other topics, and what comes next of this one, are still to be shown.
                    _log.exception("defect: records passed over", tail=self._name, topic=partition.topic)
            # A full batch holds the loop for some milliseconds: browsers and lists come in between.
            await asyncio.sleep(0)

    async def _assign(self, consumer: Consumer) -> None:
        """Take every partition that the topics now have."""
        found = await consumer._client.fetch_all_metadata()
        wanted = {
            TopicPartition(topic, number)
            for topic in self._tailed
            for number in found.partitions_for_topic(topic) or ()
        }
        if wanted == consumer.assignment():
            return
        is_first = not self._positions
        consumer.assign(sorted(wanted))
        new = sorted(wanted - self._positions.keys())
        if new:
            firsts, ends = await consumer.beginning_offsets(new), await consumer.end_offsets(new)
            counts = {topic: sum(one.topic == topic for one in wanted) for topic in self._tailed}
            for partition in new:
                backlog = -(-self._tailed[partition.topic].backlog_records // counts[partition.topic])
                start = max(firsts[partition], ends[partition] - backlog)
                # A partition that came later is new: nothing of it was seen.
                self._positions[partition] = start if is_first else firsts[partition]
        for partition in wanted:
            consumer.seek(partition, self._positions[partition])

    async def _skip_ahead(self, consumer: Consumer) -> None:
        """Leave out what has piled up: an old list is of no use to a page."""
        for partition in consumer.assignment():
            end, position = consumer.highwater(partition), self._positions[partition]
            allowed = max(MAX_BEHIND_RECORDS, self._tailed[partition.topic].backlog_records)
            if end is not None and end - position > allowed:
                self.skipped_records += end - position
                self._positions[partition] = end
                consumer.seek(partition, end)
                _log.warning("records passed over", topic=partition.topic, records=end - position)
