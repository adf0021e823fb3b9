"""All items in memory: vectors, popularity, age, availability and attributes, by row.

Rows of removed items are used again. Vectors are float32: float16 halves the memory, but the product
with a taste vector took seven times as long (45 ms at 100,000 × 256). Not thread-safe: the caller
serialises changes and lists.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from models.errors import DimensionError, EncoderOutputError
from models.profile.hashing import hash64
from models.retrieval.columns import Mask
from models.retrieval.filters import AttributeValue, Filter
from models.retrieval.index_state import IndexState
from models.retrieval.item_attributes import NO_ATTRIBUTES, ItemAttributes, encode_attributes
from models.retrieval.neighbourhoods import Neighbourhoods
from models.retrieval.newest import NewestFirst
from models.retrieval.row_link import RowChanges

FUSED_DIMENSION = 256
_FIRST_ROWS = 1_024
_GROWTH = 1.5
_COPIED_ROWS = 8_192
# Popularity that has decayed below this counts as none: float32 would make infinity of its inverse.
_MIN_POPULARITY = 1e-6
_MAX_POPULARITY = 1e30


class ItemIndex:
    """The items that can be recommended.

    Public arrays are views of the rows in use, free rows included (`live` is False there); they are to
    be read at once, as the next change may move them.

    Args:
        dimension: Of the vectors.
    """

    def __init__(self, dimension: int = FUSED_DIMENSION) -> None:
        self.dimension = dimension
        self._row_of: dict[str, int] = {}
        self._row_of_hash: dict[int, int] = {}
        self._item_ids: list[str | None] = []
        self._attributes = ItemAttributes()
        self._free: list[int] = []
        self._largest_popularity: float | None = 0.0
        self._vectors = np.zeros((0, dimension), np.float32)
        self._live = np.zeros(0, np.bool_)
        self._available = np.zeros(0, np.bool_)
        self._created_at_ms = np.zeros(0, np.int64)
        self._log_popularity = np.zeros(0, np.float32)
        self._hashes = np.zeros(0, np.uint64)
        self._newest = NewestFirst()
        self._neighbourhoods = Neighbourhoods()
        self.changes = RowChanges()

    def __len__(self) -> int:
        """Items, also those that are not available."""
        return len(self._row_of)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._row_of

    @property
    def rows(self) -> int:
        """Rows in use, free ones among them included."""
        return len(self._item_ids)

    @property
    def item_rows(self) -> Mapping[str, int]:
        """Item id → row."""
        return self._row_of

    @property
    def vectors(self) -> NDArray[np.float32]:
        """float32 [rows, dimension]; zero where an item has no vector."""
        return self._vectors[: self.rows]

    @property
    def live(self) -> Mask:
        """Which rows hold an item, bool [rows]."""
        return self._live[: self.rows]

    @property
    def available(self) -> Mask:
        """Which rows hold an item that is available, bool [rows]."""
        return self._available[: self.rows]

    @property
    def created_at_ms(self) -> NDArray[np.int64]:
        """int64 [rows], milliseconds since the epoch."""
        return self._created_at_ms[: self.rows]

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """`hash64` of each item id, uint64 [rows]."""
        return self._hashes[: self.rows]

    def item_id(self, row: int) -> str:
        """The item in a row that is in use."""
        item_id = self._item_ids[row]
        if item_id is None:
            raise IndexError(f"row {row} of the item index is free")
        return item_id

    def item_ids(self, rows: Iterable[int]) -> tuple[str, ...]:
        """The items in rows that are in use."""
        return tuple([item_id for row in rows if (item_id := self._item_ids[row]) is not None])

    def item_in(self, row: int) -> str | None:
        """The item in a row that is in use; None where the row is free."""
        return self._item_ids[row]

    def get(self, item_id: str) -> int | None:
        """The row of an item; None where it is not here."""
        return self._row_of.get(item_id)

    def attributes(self, row: int) -> Mapping[str, AttributeValue]:
        """The attributes of the item in a row."""
        return self._attributes.of(row)

    def upsert(
        self,
        item_id: str,
        vector: NDArray[np.floating] | None,
        *,
        created_at_ms: int,
        attributes: Mapping[str, AttributeValue] | None = None,
        available: bool = True,
        popularity: float | None = None,
    ) -> None:
        """Put an item in, or replace it as a whole.

        Args:
            item_id: Which.
            vector: [dimension] of unit length; None while no modality is known: the item is then listed
                for its popularity and freshness only.
            created_at_ms: Milliseconds since the epoch.
            attributes: What filters see.
            available: Whether it may be listed.
            popularity: Not negative; None keeps what an item already here has.

        Raises:
            DimensionError: The vector has another shape.
            EncoderOutputError: The vector holds a number that is not finite.
        """
        if vector is not None:
            vector = self._checked(item_id, vector)
        # What may fail comes first, so that a refused item changes nothing.
        attributes = dict(attributes or {})
        encoded = encode_attributes(attributes)
        row = self._row_of.get(item_id)
        if row is None:
            row = self._take_row(item_id)
        self._put_vector(row, vector)
        if self._created_at_ms[row] != created_at_ms:
            self._created_at_ms[row] = created_at_ms
            self._newest.touch(row)
        self._available[row] = available
        if popularity is not None:
            self._put_popularity(row, popularity)
        self._attributes.put(row, attributes, encoded)

    def remove(self, item_id: str) -> bool:
        """Take an item out; whether it was here."""
        row = self._row_of.pop(item_id, None)
        if row is None:
            return False
        if self._row_of_hash.get(int(self._hashes[row])) == row:
            del self._row_of_hash[int(self._hashes[row])]
        self._attributes.put(row, {}, NO_ATTRIBUTES)
        self._put_popularity(row, 0.0)
        self._item_ids[row] = None
        self._put_vector(row, None)
        self._live[row] = False
        self._available[row] = False
        self._hashes[row] = 0
        self._free.append(row)
        self._newest.touch(row)
        self.changes.add(row)
        return True

    def held(self) -> IndexState:
        """All items as they are now, without their popularity. Copies but for ids and attributes."""
        rows = np.flatnonzero(self.live)
        vectors = np.empty((len(rows), self.dimension), np.float16)
        # All at once would be another copy of them, of twice the size.
        for begin in range(0, len(rows), _COPIED_ROWS):
            part = slice(begin, begin + _COPIED_ROWS)
            vectors[part] = self.vectors[rows[part]]
        return IndexState(
            item_ids=[self.item_id(row) for row in rows.tolist()],
            attributes=[self._attributes.encoded(row) for row in rows.tolist()],
            vectors=vectors,
            available=self.available[rows],
            created_at_ms=self.created_at_ms[rows],
        )

    def restore(self, state: IndexState) -> None:
        """Hold these items: as `upsert` of each in turn, at once.

        Raises:
            ValueError: The index holds items, or these cannot be its items.
        """
        if self._item_ids:
            raise ValueError("an index that holds items cannot be restored")
        state.check(self.dimension)
        names = state.attribute_names()
        count = len(state.item_ids)
        self.reserve(count)
        self._vectors[:count] = state.vectors
        self._live[:count] = True
        self._available[:count] = state.available
        self._created_at_ms[:count] = state.created_at_ms
        self._item_ids = list(state.item_ids)
        self._attributes.restore(state.attributes, names)
        numbers = [int.from_bytes(hash64(item_id), "little") for item_id in state.item_ids]
        self._hashes[:count] = numbers
        self._row_of = {item_id: row for row, item_id in enumerate(state.item_ids)}
        self._row_of_hash = {number: row for row, number in enumerate(numbers)}
        for row in range(count):
            self._newest.touch(row)
            self._neighbourhoods.touch(row)
            self.changes.add(row)

    def set_popularity(self, popularity: Mapping[str, float]) -> None:
        """Set how popular items are, not negative; items not here are ignored, others keep theirs."""
        for item_id, value in popularity.items():
            row = self._row_of.get(item_id)
            if row is not None:
                self._put_popularity(row, value)

    def popularity(self) -> NDArray[np.float32]:
        """log(1 + p) over its largest, so within [0, 1], float32 [rows]; all 0 where nothing is popular.

        The logarithm, as popularity is heavy-tailed: without it one hit leaves everything else at 0.
        """
        log_popularity = self._log_popularity[: self.rows]
        if self._largest_popularity is None:
            self._largest_popularity = float(log_popularity.max(initial=0.0))
        if self._largest_popularity <= 0.0:
            return log_popularity
        return log_popularity * np.float32(1.0 / self._largest_popularity)

    def rows_of_hashes(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The rows of those of these items that are here, int64 [≤ n], in no order."""
        found = np.array(list(map(self._row_of_hash.get, hashes.tolist(), repeat(-1))), np.int64)
        return found[found >= 0]

    def rows_of(self, item_ids: Iterable[str]) -> NDArray[np.int64]:
        """The rows of those of these items that are here, each once, int64 [≤ n]."""
        found = (self._row_of.get(item_id) for item_id in dict.fromkeys(item_ids))
        return np.fromiter((row for row in found if row is not None), np.int64)

    @property
    def filtered_by(self) -> tuple[str, ...]:
        """Attributes that have a column for filters."""
        return self._attributes.filtered_by

    def warm_up(self, filtered_by: Iterable[str]) -> None:
        """Make now what the first lists would wait for: cells of vectors, columns for filters, the newest.

        Takes some seconds where the index is large. Nothing else may use the index meanwhile.
        """
        self._attributes.make_columns(filtered_by)
        if self.rows:
            everything = self.live.copy()
            self.newest(everything, 1)
            self._neighbourhoods.finish(self.vectors, self.hashes)
            self.popularity()

    def newest(self, eligible: Mask, count: int) -> NDArray[np.int64]:
        """The ``count`` eligible rows whose items were created last, newest first, equal ones by hash.

        Args:
            eligible: bool [rows].
            count: At least 1.
        """
        return self._newest.best(self.created_at_ms, self.hashes, eligible, count)

    def near(self, direction: NDArray[np.float32], eligible: Mask, least: int) -> NDArray[np.int64]:
        """Eligible rows whose vectors may lie near a direction, at least ``least`` where there are so many.

        See `models.retrieval.neighbourhoods`: of vectors in groups the nearest of all are among them, of
        those of text nearly all. Where they have no structure half are missed. Rising rows, int64 [n].
        """
        return self._neighbourhoods.near(direction, self.vectors, self.hashes, eligible, least)

    def matching(self, wanted: Filter) -> Mask:
        """Which rows hold an item that passes every part of the filter, bool [rows].

        See `ItemAttributes.matching`.

        Raises:
            ListQueryError: A value of the filter is of the wrong type.
        """
        return self._attributes.matching(wanted, self.live)

    def _checked(self, item_id: str, vector: NDArray[np.floating]) -> NDArray[np.floating]:
        if vector.shape != (self.dimension,):
            raise DimensionError(
                f"the index holds vectors [{self.dimension}]; that of item {item_id!r} is "
                f"{list(vector.shape)}"
            )
        if not np.isfinite(vector).all():
            raise EncoderOutputError(f"the vector of item {item_id!r} holds a number that is not finite")
        return vector

    def _take_row(self, item_id: str) -> int:
        if self._free:
            row = self._free.pop()
            self._item_ids[row] = item_id
        else:
            row = len(self._item_ids)
            if row == len(self._live):
                self._grow()
            self._item_ids.append(item_id)
            self._attributes.add_row()
        number = int.from_bytes(hash64(item_id), "little")
        self._row_of[item_id] = row
        self._row_of_hash[number] = row
        self._hashes[row] = number
        self._live[row] = True
        self._newest.touch(row)
        self.changes.add(row)
        return row

    def reserve(self, rows: int) -> None:
        """Make room for so many rows: what grows while it serves is copied, all of it at once."""
        more = rows - len(self._live)
        if more <= 0:
            return
        capacity = rows
        # Pages of zeros that are not written yet take no memory.
        vectors = np.zeros((capacity, self.dimension), np.float32)
        vectors[: len(self._vectors)] = self._vectors
        self._vectors = vectors
        self._live = np.concatenate([self._live, np.zeros(more, np.bool_)])
        self._available = np.concatenate([self._available, np.zeros(more, np.bool_)])
        self._created_at_ms = np.concatenate([self._created_at_ms, np.zeros(more, np.int64)])
        self._log_popularity = np.concatenate([self._log_popularity, np.zeros(more, np.float32)])
        self._hashes = np.concatenate([self._hashes, np.zeros(more, np.uint64)])
        self._attributes.reserve(capacity)

    def _grow(self) -> None:
        self.reserve(max(_FIRST_ROWS, int(len(self._live) * _GROWTH)))

    def _put_vector(self, row: int, vector: NDArray[np.floating] | None) -> None:
        put = np.float32(0.0) if vector is None else vector.astype(np.float32)
        # Mostly it is a price or a stock that changed.
        if not np.array_equal(self._vectors[row], np.broadcast_to(put, self.dimension)):
            self._vectors[row] = put
            self._neighbourhoods.touch(row)

    def _put_popularity(self, row: int, popularity: float) -> None:
        before = float(self._log_popularity[row])
        # NaN fails the comparison, and counts as none too.
        popularity = min(popularity, _MAX_POPULARITY) if popularity >= _MIN_POPULARITY else 0.0
        self._log_popularity[row] = math.log1p(popularity)
        after = float(self._log_popularity[row])
        largest = self._largest_popularity
        if largest is not None and after >= largest:
            self._largest_popularity = after
        elif largest is not None and before >= largest:
            self._largest_popularity = None
