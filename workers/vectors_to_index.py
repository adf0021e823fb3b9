"""Item vectors into the in-memory index of a recommend worker, from the topic's start and ever on.

Every recommend worker holds every item, so it reads all partitions by itself, without a group.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import structlog

from models.retrieval import ItemIndex
from models.retrieval.index_state import IndexState
from streams.codec import decode_value
from streams.internal_messages import ItemVector, ItemVersion
from streams.settings import Settings
from streams.topics import ITEM_VECTORS
from workers.topic_follower import UNPACED, Pace
from workers.vectors_follower import VectorsFollower

# A tombstone is remembered so that what a stalled worker publishes late does not bring the item back.
MAX_WITHDRAWN = 100_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class UpdaterState:
    """What an `IndexUpdater` holds: items, version and revision of each in their order, and what is gone."""

    items: IndexState
    versions: list[tuple[ItemVersion, int]]
    withdrawn: Mapping[str, ItemVersion]


class IndexUpdater:
    """Applies item vectors to an index, ignoring what is not newer than it has. No I/O."""

    def __init__(self, index: ItemIndex) -> None:
        self._index = index
        self._held: dict[str, tuple[ItemVersion, int]] = {}
        self._withdrawn: OrderedDict[str, ItemVersion] = OrderedDict()
        self.listeners: list[Callable[[str], None]] = []
        """Told of each item that was put or removed."""

    def held(self) -> Mapping[str, tuple[ItemVersion, int]]:
        """Item → the version and the revision held."""
        return self._held

    def __len__(self) -> int:
        """Items held."""
        return len(self._index)

    def state(self) -> UpdaterState:
        """All that is held, to go on from elsewhere."""
        items = self._index.held()
        versions = [self._held[item_id] for item_id in items.item_ids]
        return UpdaterState(items, versions, dict(self._withdrawn))

    def restore(self, state: UpdaterState) -> None:
        """Go on from what another held; this one holds nothing yet.

        Raises:
            ValueError: It does hold items, or these cannot be its items.
        """
        self._index.restore(state.items)
        self._held = dict(zip(state.items.item_ids, state.versions, strict=True))
        self._withdrawn = OrderedDict(state.withdrawn)

    def take(self, value: bytes) -> bool:
        """Take an item as a record of `item-vectors` has it; whether it changed anything."""
        return self.put(decode_value(value, ITEM_VECTORS))

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
        self._tell(vector.item_id)
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
        self._tell(item_id)
        return True

    def _tell(self, item_id: str) -> None:
        for listener in self.listeners:
            listener(item_id)


class IndexFollower(VectorsFollower):
    """Keeps an index current with `item-vectors`; see `VectorsFollower`."""

    def __init__(
        self,
        settings: Settings,
        topic: str,
        index: ItemIndex,
        *,
        on_change: Callable[[int], None] = lambda items: None,
        pace: Pace = UNPACED,
    ) -> None:
        self.updater = IndexUpdater(index)
        super().__init__(settings, topic, self.updater, on_change=on_change, pace=pace)
