"""Following `item-vectors` into something in memory: what every reader of that topic does alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
import structlog
from aiokafka import ConsumerRecord

from streams.internal_messages import ItemVersion
from streams.settings import Settings
from workers.feature_records import VERSION_HEADER
from workers.topic_follower import UNPACED, Pace, TopicFollower

_log = structlog.get_logger()
_version_decoder = msgspec.msgpack.Decoder(ItemVersion)


class TakesVectors(Protocol):
    """What item vectors are taken into."""

    def __len__(self) -> int:
        """Items held."""

    def take(self, value: bytes) -> bool:
        """Take an item as a record's value has it; whether it changed anything."""

    def remove(self, item_id: str, version: ItemVersion | None) -> bool:
        """Drop a withdrawn item; whether it was held."""


class VectorsFollower:
    """Keeps something current with `item-vectors`.

    Args:
        into: What the items are taken into.
        on_change: Called after each batch with the number of items held.
        pace: How much of the event loop reading may take.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        into: TakesVectors,
        *,
        on_change: Callable[[int], None] = lambda items: None,
        pace: Pace = UNPACED,
    ) -> None:
        self._topic = topic
        self._into = into
        self._on_change = on_change
        self._follower = TopicFollower(
            settings,
            topic,
            self._take,
            batch_records=pace.batch_records,
            gate=pace.gate,
            loop_share=pace.loop_share,
        )

    @property
    def positions(self) -> dict[int, int]:
        """See `TopicFollower.positions`."""
        return self._follower.positions

    def begin_at(self, positions: Mapping[int, int]) -> None:
        """See `TopicFollower.begin_at`."""
        self._follower.begin_at(positions)

    async def start(self) -> None:
        """Read until the end positions seen at the start are reached; go on in the background."""
        await self._follower.start()
        _log.info("items are ready", into=type(self._into).__name__, items=len(self._into), topic=self._topic)

    async def stop(self) -> None:
        """Stop following."""
        await self._follower.stop()

    def _take(self, records: Sequence[ConsumerRecord]) -> None:
        if sum(self._apply(record) for record in records):
            self._on_change(len(self._into))

    def _apply(self, record: ConsumerRecord) -> bool:
        """Whether the record changed anything. One that cannot be taken costs itself alone."""
        try:
            if record.value is not None:
                return self._into.take(record.value)
            if record.key is None:
                return False
            packed = dict(record.headers).get(VERSION_HEADER)
            version = None if packed is None else _version_decoder.decode(packed)
            return self._into.remove(record.key.decode(), version)
        except Exception:
            where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            _log.exception("an item vector cannot be taken: passed over", **where)
            return False
