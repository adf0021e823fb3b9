"""Item vectors into the in-memory index of a recommend worker, from the topic's start and ever on.

Every recommend worker holds every item, so it reads all partitions by itself, without a group.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import structlog
from aiokafka import ConsumerRecord

from models.retrieval import ItemIndex
from streams.codec import decode_value
from streams.internal_messages import ItemVector, ItemVersion
from streams.settings import Settings
from streams.topics import ITEM_VECTORS
from workers.feature_records import VERSION_HEADER
from workers.topic_follower import TopicFollower

# A tombstone is remembered so that what a stalled worker publishes late does not bring the item back.
MAX_WITHDRAWN = 100_000

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
        self._topic = topic
        self._index = index
        self._updater = IndexUpdater(index)
        self._on_change = on_change
        self._follower = TopicFollower(settings, topic, self._take)

    async def start(self) -> None:
        """Read until the end positions seen at the start are reached; go on in the background."""
        await self._follower.start()
        _log.info("item index is ready", items=len(self._index), topic=self._topic)

    async def stop(self) -> None:
        """Stop following."""
        await self._follower.stop()

    def _take(self, records: Sequence[ConsumerRecord]) -> None:
        if sum(self._apply(record) for record in records):
            self._on_change(len(self._index))

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
