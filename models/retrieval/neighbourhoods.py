"""Which vectors of a large index may lie near a direction, without a product with all of them.

An inverted file (Jégou, Douze and Schmid 2011, IVF): vectors are put into cells, each around a centre, and
only those in the cells whose centres are nearest are looked at. Centres come from a few steps of spherical
k-means (Dhillon and Modha 2001) over the items with the smallest hashes, so that workers with the same items
have the same centres, however they number their rows.

To find centres and to put all rows into cells takes tenths of a second. It is done a block at each look, so
that nothing waits for it; what is not in a cell yet, or has changed since, is looked at one and all.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.retrieval.columns import Mask

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]
# From so many rows on, only those of the nearest cells are looked at.
SCANNED_ROWS = 32_768
# From so many on they lie in more and smaller cells.
MANY_ROWS = 65_536
CELLS, MORE_CELLS = 256, 1_024
# So many rows are looked at, or such a share of all; beyond so many of them a smaller share.
LEAST_NEAR, NEAR_SHARE = 4_096, 32
ENOUGH_NEAR, SMALLER_SHARE = 8_192, 64
_SAMPLE_EACH, _STEPS = 40, 3
# At a look, in so many cells; fewer where there are more cells to compare each with.
_BLOCK_ROWS = 1_024
# Rows that changed are looked at one and all, until they are so many.
_MOST_TOUCHED = 1_024

_Work = Generator[None, Vectors, "_Cells"]


def is_large(rows: int) -> bool:
    """Whether an index has so many rows that only those near a direction are to be looked at."""
    return rows >= SCANNED_ROWS


def least_near(rows: int) -> int:
    """How many rows to look at, at least, for the nearest few of a large index."""
    return max(LEAST_NEAR, min(rows // NEAR_SHARE, ENOUGH_NEAR), rows // SMALLER_SHARE)


@dataclass(frozen=True, slots=True)
class _Cells:
    """Rows by cell: ``order`` of all rows, in which each cell's begin at ``starts``.

    Attributes:
        centres: float32 [cells, D].
        cell_of: int16 [rows].
        order: int64 [rows].
        starts: int64 [cells + 1].
    """

    centres: Vectors
    cell_of: NDArray[np.int16]
    order: Rows
    starts: Rows

    @classmethod
    def of(cls, centres: Vectors, cell_of: NDArray[np.int16]) -> _Cells:
        order = np.argsort(cell_of, kind="stable")
        return cls(centres, cell_of, order, np.searchsorted(cell_of[order], np.arange(len(centres) + 1)))

    def rows(self, cell: int) -> Rows:
        return self.order[self.starts[cell] : self.starts[cell + 1]]


class Neighbourhoods:
    """Cells of the rows of an index. The caller says which rows changed."""

    def __init__(self) -> None:
        self._cells = _Cells.of(np.zeros((0, 0), np.float32), np.zeros(0, np.int16))
        # By row: changed, and not in a cell; of these, those that are on their way into one.
        self._touched = np.zeros(0, np.bool_)
        self._moving = np.zeros(0, np.bool_)
        self._touched_rows = 0
        self._work: _Work | None = None
        self._trained_rows = 0

    def touch(self, row: int) -> None:
        """The vector of a row has changed."""
        if row >= len(self._touched):
            more = np.zeros(max(row + 1, 2 * len(self._touched)) - len(self._touched), np.bool_)
            self._touched = np.concatenate([self._touched, more])
            self._moving = np.concatenate([self._moving, more])
        self._touched_rows += not self._touched[row]
        self._touched[row] = True

    def near(
        self, direction: Vectors, vectors: Vectors, hashes: NDArray[np.uint64], eligible: Mask, least: int
    ) -> Rows:
        """Eligible rows of the nearest cells, and those that are in none yet, rising, int64 [n].

        Args:
            direction: float32 [D].
            vectors: Of all rows, of length 1 or 0, float32 [rows, D].
            hashes: uint64 [rows].
            eligible: bool [rows].
            least: Cells are added until they hold so many eligible rows.
        """
        self._follow(vectors, hashes)
        cells = self._cells
        if self._trained_rows and self._work is None and not len(cells.centres):
            return np.flatnonzero(eligible)
        outside = np.zeros(len(eligible), np.bool_)
        known = min(len(eligible), len(self._touched))
        np.logical_or(self._touched[:known], self._moving[:known], out=outside[:known])
        outside &= eligible
        others = eligible & ~outside
        parts = [np.flatnonzero(outside)]
        found = 0
        nearness = cells.centres @ direction if len(cells.centres) else np.zeros(0, np.float32)
        for cell in np.argsort(-nearness, kind="stable").tolist():
            rows = cells.rows(cell)
            rows = rows[others[rows]]
            parts.append(rows)
            found += len(rows)
            if found >= least:
                break
        return np.sort(np.concatenate(parts))

    def finish(self, vectors: Vectors, hashes: NDArray[np.uint64]) -> None:
        """Put all rows that changed into cells now, where they are many, and not a block at each look."""
        self._follow(vectors, hashes)
        while self._work is not None:
            self._follow(vectors, hashes)

    def _follow(self, vectors: Vectors, hashes: NDArray[np.uint64]) -> None:
        """Put rows that changed into cells, once they are many, a block of them now.

        Centres are found anew where rows have doubled. Rows that change while they are moved stay touched.
        """
        if self._work is None:
            if self._touched_rows <= _MOST_TOUCHED:
                return
            self._touched, self._moving = self._moving, self._touched
            self._touched_rows = 0
            rows = np.flatnonzero(self._moving)
            if len(vectors) > 2 * self._trained_rows or not len(self._cells.centres):
                self._trained_rows = len(vectors)
                self._work = _found_anew(len(vectors), hashes.copy())
            else:
                self._work = _put(rows, len(vectors), self._cells)
            next(self._work)
        try:
            self._work.send(vectors)
        except StopIteration as finished:
            self._cells = finished.value
            self._moving[:] = False
            self._work = None


def _found_anew(count: int, hashes: NDArray[np.uint64]) -> _Work:
    """Centres, and then all rows in cells around them; takes a step at each vectors that it is sent."""
    centres = yield from _centres(hashes, CELLS if count < MANY_ROWS else MORE_CELLS)
    return (yield from _put(np.arange(count), count, _Cells.of(centres, np.zeros(0, np.int16))))


def _put(rows: Rows, count: int, cells: _Cells) -> _Work:
    """These rows of so many in the nearest cells, the others where they are."""
    cell_of = np.zeros(count, np.int16)
    cell_of[: len(cells.cell_of)] = cells.cell_of
    size = _block_rows(len(cells.centres))
    for begin in range(0, len(rows), size):
        vectors = yield
        block = rows[begin : begin + size]
        cell_of[block] = _nearest(vectors[block], cells.centres)
    return _Cells.of(cells.centres, cell_of)


def _block_rows(cells: int) -> int:
    return max(1, _BLOCK_ROWS * CELLS // max(cells, CELLS))


def _centres(hashes: NDArray[np.uint64], cells: int) -> Generator[None, Vectors, Vectors]:
    """Centres of so many cells, or fewer, float32 [≤ cells, D]."""
    most, size = _SAMPLE_EACH * cells, _block_rows(cells)
    # Free rows have the hash 0 and would come first; others have no vector.
    sample = np.argsort(hashes)[np.count_nonzero(hashes == 0) :][: 2 * most]
    parts, found = [], 0
    for begin in range(0, max(len(sample), 1), _BLOCK_ROWS):
        vectors = yield
        block = vectors[sample[begin : begin + _BLOCK_ROWS]]
        parts.append(block[block.any(axis=1)])
        found += len(parts[-1])
        if found >= most:
            break
    points = np.concatenate(parts)[:most]
    centres = points[:cells]
    for _ in range(_STEPS):
        sums = np.zeros_like(centres)
        for begin in range(0, len(points), size):
            yield
            block = points[begin : begin + size]
            np.add.at(sums, _nearest(block, centres), block)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, np.float32(1e-9)), centres)
    return np.asarray(centres, np.float32)


def _nearest(vectors: Vectors, centres: Vectors) -> NDArray[np.int16]:
    """The cell of each vector; 0 where there are no cells."""
    if not len(centres):
        return np.zeros(len(vectors), np.int16)
    return np.asarray((vectors @ centres.T).argmax(axis=1), np.int16)
