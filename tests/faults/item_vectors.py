"""The topic of item vectors, as a reader of it should hold it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from msgspec.msgpack import decode

from streams.codec import decode_value
from streams.internal_messages import ItemVector, ItemVersion
from streams.topics import ITEM_VECTORS
from workers.feature_records import VERSION_HEADER


class ItemVectors:
    """The newest version of each item, in its highest revision.

    What a stalled worker publishes late is older, and is ignored. Two records of one revision are the same.

    Attributes:
        held: Item → its vector; None where it was withdrawn.
        differing: Items with two records of one revision that are not the same.
        outdated: Items whose last record is older than one before it: compaction would leave that one.
    """

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}
        self.differing: set[str] = set()
        self.outdated: set[str] = set()
        self._newest: dict[str, tuple[ItemVersion, float]] = {}
        self._contents: dict[tuple[str, ItemVersion, int], ItemVector] = {}

    def take(self, item_id: str, value: bytes | None, headers: Mapping[str, bytes]) -> None:
        """Take a record."""
        if value is None:
            # A withdrawal is the last that is said of a version.
            vector, version, revision = None, decode(headers[VERSION_HEADER], type=ItemVersion), math.inf
        else:
            vector = decode_value(value, ITEM_VECTORS)
            version, revision = vector.version, vector.revision
            # As a reader has it: a later release may write more.
            if self._contents.setdefault((item_id, version, revision), vector) != vector:
                self.differing.add(item_id)
        newest = self._newest.get(item_id)
        if newest is not None:
            held_version, held_revision = newest
            if held_version.is_newer_than(version) or (version == held_version and revision < held_revision):
                self.outdated.add(item_id)
                return
        self.outdated.discard(item_id)
        self._newest[item_id] = (version, revision)
        self.held[item_id] = vector
