"""Item vectors into the in-memory index of a recommend worker, from the topic's start and ever on.

Every recommend worker holds every item, so it reads all partitions by itself, without a group.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

import msgspec
import numpy as np
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from models.retrieval import ItemIndex
from streams.codec import decode_value
from streams.internal_messages import ItemVector, ItemVersion
from streams.kafka_connection import aiokafka_arguments
from streams.settings import Settings
from streams.topics import ITEM_VECTORS
from workers.backoff import FIRST_WAIT_S, LONGEST_WAIT_S
from workers.feature_records import VERSION_HEADER

# A tombstone is remembered so that what a stalled worker publishes late does not bring the item back.
MAX_WITHDRAWN = 100_000
READ_RECORDS = 2_000
PARTITIONS_CHECK_S = 5.0

_log = structlog.get_logger()
_version_decoder = msgspec.msgpack.Decoder(ItemVersion)


class IndexUpdater:
    """Applies item vectors to an index, ignoring what is not newer than it has. No I/O."""

    def __init__(self, index: ItemIndex) -> None:
        self._index = index
        self._held: dict[str, tuple[ItemVersion, int]] = {}
        self._withdrawn: OrderedDict[str, ItemVersion] = OrderedDict()

    def put(self, vector: ItemVector) -> bool:
        """Take an item as it now is; whether it changed anything."""
        held = self._held.get(vector.item_id)
        if held is not None:
            version, revision = held
            older = version.is_newer_than(vector.version)
            if older or (version == vector.version and revision >= vector.revision):
                return False
        withdrawn = self._withdrawn.get(vector.item_id)
        if withdrawn is not None and not vector.version.is_newer_than(withdrawn):
            return False
        self._index.upsert(
            vector.item_id,
            None if vector.vector is None else np.frombuffer(vector.vector, "<f2").astype(np.float32),
            attributes=vector.attributes,
            available=vector.available,
            created_at_ms=round(vector.created_at.timestamp() * 1_000),
        )
        self._withdrawn.pop(vector.item_id, None)
        self._held[vector.item_id] = (vector.version, vector.revision)
        return True

    def remove(self, item_id: str, version: ItemVersion | None) -> bool:
        """Drop a withdrawn item, unless it is held in a newer version; whether it was held."""
        held = self._held.get(item_id)
        if held is not None and version is not None and held[0].is_newer_than(version):
            return False
        if version is not None:
            self._withdrawn[item_id] = version
            self._withdrawn.move_to_end(item_id)
            if len(self._withdrawn) > MAX_WITHDRAWN:
                self._withdrawn.popitem(last=False)
        if held is None:
            return False
        del self._held[item_id]
        self._index.remove(item_id)
        return True


class IndexFollower:
    """Keeps an index current with `item-vectors`.

    Args:
        on_change: Called after each batch with the number of items held.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        index: ItemIndex,
        *,
        on_change: Callable[[int], None] = lambda items: None,
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._index = index
        self._updater = IndexUpdater(index)
        self._on_change = on_change
        self._task: asyncio.Task[None] | None = None
        self._caught_up = asyncio.Event()

    async def start(self) -> None:
        """Read until the end positions seen at the start are reached; go on in the background."""
        self._task = asyncio.create_task(self._follow(), name="index-follower")
        caught_up = asyncio.create_task(self._caught_up.wait())
        await asyncio.wait([self._task, caught_up], return_when=asyncio.FIRST_COMPLETED)
        caught_up.cancel()
        if self._task.done():
            self._task.result()
        _log.info("item index is ready", items=len(self._index), topic=self._topic)

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        """Follow for ever: Kafka away is waited out, and reading goes on where it stopped."""
        positions: dict[TopicPartition, int] = {}
        wait_s = FIRST_WAIT_S
        while True:
            consumer = AIOKafkaConsumer(
                **aiokafka_arguments(self._settings.kafka),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                metadata_max_age_ms=round(PARTITIONS_CHECK_S * 1_000),
            )
            try:
                await consumer.start()
                wait_s = FIRST_WAIT_S
                await self._read(consumer, positions)
            except (KafkaError, OSError) as error:
                _log.warning("the item index cannot read Kafka, trying again", error=str(error))
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            finally:
                with suppress(KafkaError, OSError):
                    await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer, positions: dict[TopicPartition, int]) -> None:
        loop = asyncio.get_running_loop()
        targets: dict[TopicPartition, int] | None = None
        next_check = 0.0
        while True:
            if loop.time() >= next_check:
                await self._assign(consumer, positions)
                next_check = loop.time() + PARTITIONS_CHECK_S
            if targets is None and consumer.assignment():
                targets = await consumer.end_offsets(list(consumer.assignment()))
            batches = await consumer.getmany(timeout_ms=200, max_records=READ_RECORDS)
            changed = 0
            for partition, records in batches.items():
                changed += sum(self._apply(record) for record in records)
                positions[partition] = records[-1].offset + 1
            if changed:
                self._on_change(len(self._index))
            if targets is not None and not self._caught_up.is_set():
                # The consumer's own position also passes what compaction or a marker left out.
                here = {partition: await consumer.position(partition) for partition in targets}
                if all(here[partition] >= end for partition, end in targets.items()):
                    self._caught_up.set()

    async def _assign(self, consumer: AIOKafkaConsumer, positions: dict[TopicPartition, int]) -> None:
        """Take every partition the topic now has; begin new ones at their start."""
        found = await consumer._client.fetch_all_metadata()
        numbers = found.partitions_for_topic(self._topic) or set()
        wanted = {TopicPartition(self._topic, number) for number in numbers}
        if wanted == consumer.assignment():
            return
        consumer.assign(sorted(wanted))
        for partition in wanted:
            if partition in positions:
                consumer.seek(partition, positions[partition])
            else:
                await consumer.seek_to_beginning(partition)

    def _apply(self, record: ConsumerRecord) -> bool:
        """Whether the record changed the index. One that cannot be taken costs itself alone."""
        try:
            if record.value is not None:
                return self._updater.put(decode_value(record.value, ITEM_VECTORS))
            if record.key is None:
                return False
            packed = dict(record.headers).get(VERSION_HEADER)
            version = None if packed is None else _version_decoder.decode(packed)
            return self._updater.remove(record.key.decode(), version)
        except Exception:
            where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            _log.exception("an item vector cannot be taken: passed over", **where)
            return False
