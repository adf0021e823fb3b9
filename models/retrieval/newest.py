"""The rows of an index by when their items were created, kept in order instead of sorted for every list."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.retrieval.columns import Mask

Rows = NDArray[np.int64]
# So many rows may change before all are sorted anew, or a sixteenth of them where that is more.
_LEAST_TOUCHED = 256
_TOUCHED_SHARE = 16


class NewestFirst:
    """Newest first; those created at the same time by hash, as rows are numbered otherwise in each worker."""

    def __init__(self) -> None:
        self._order = np.zeros(0, np.int64)
        self._touched: set[int] = set()

    def touch(self, row: int) -> None:
        """Another item, or one that was created at another time, is in a row now."""
        self._touched.add(row)

    def best(
        self, created_at_ms: NDArray[np.int64], hashes: NDArray[np.uint64], eligible: Mask, count: int
    ) -> Rows:
        """The ``count`` newest of the eligible rows, int64 [≤ count].

        Args:
            created_at_ms: int64 [rows].
            hashes: uint64 [rows].
            eligible: bool [rows].
            count: At least 1.
        """
        if len(self._touched) > max(_LEAST_TOUCHED, len(self._order) // _TOUCHED_SHARE):
            self._order = np.lexsort((hashes, -created_at_ms))
            self._touched.clear()
        if not self._touched:
            return self._first(eligible, count)
        touched = np.array(sorted(self._touched), np.int64)
        others = eligible.copy()
        others[touched] = False
        rows = np.concatenate([touched[eligible[touched]], self._first(others, count)])
        return rows[np.lexsort((hashes[rows], -created_at_ms[rows]))][:count]

    def _first(self, eligible: Mask, count: int) -> Rows:
        """The first eligible rows in the order; mostly they stand near its beginning."""
        parts: list[Rows] = [np.zeros(0, np.int64)]
        found, begin, width = 0, 0, 2 * count
        while found < count and begin < len(self._order):
            part = self._order[begin : begin + width]
            part = part[eligible[part]]
            parts.append(part)
            found += len(part)
            begin, width = begin + width, 2 * width
        return np.concatenate(parts)[:count]
