"""Which vectors of a large index may lie near a direction, without a product with all of them.

An inverted file (Jégou, Douze and Schmid 2011, IVF): vectors are put into cells, each around a centre, and
only those in the cells whose centres are nearest are looked at: first at a code of a few bytes of each
(`models.retrieval.sign_codes`), laid in the order of cells, then at the vectors of the best of these, which
do not. Centres come from a few steps of spherical k-means (Dhillon and Modha 2001) over the items with the
smallest hashes, so that workers with the same items have the same centres, however they number their rows.

To find centres and to put all rows into cells takes tenths of a second. It is done a block at each look, so
that nothing waits for it; what is not in a cell yet, or has changed since, is looked at one and all.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.retrieval.columns import Mask
from models.retrieval.sign_codes import Codes, code_words, differing_bits, nearest_codes, sign_codes

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]
# From so many rows on, only those of the nearest cells are looked at.
SCANNED_ROWS = 32_768
# From so many on they lie in more and smaller cells.
MANY_ROWS = 65_536
CELLS, MORE_CELLS = 256, 1_024
# Vectors of so many rows are looked at, or of so many for each that is to be found.
LEAST_NEAR, NEAR_EACH = 2_048, 16
# They are the best by code of so many times as many, or of such a share of all.
_CODES_EACH, _CODES_SHARE = 4, 8
_SAMPLE_EACH, _STEPS = 40, 3
# At a look, in so many cells; fewer where there are more cells to compare each with.
_BLOCK_ROWS = 1_024
# When all are put in the order of cells, at a look; that is copying alone.
_LAID_ROWS = 65_536
# Rows that changed are looked at one and all, until they are so many.
_MOST_TOUCHED = 1_024

_Work = Generator[None, Vectors, "_Cells"]


def is_large(rows: int) -> bool:
    """Whether an index has so many rows that only those near a direction are to be looked at."""
    return rows >= SCANNED_ROWS


def least_near(count: int) -> int:
    """Of how many rows to look at the vectors, at least, for the nearest ``count`` of a large index."""
    return max(LEAST_NEAR, NEAR_EACH * count)


@dataclass(frozen=True, slots=True)
class _Cells:
    """Rows by cell: ``order`` of all rows, in which each cell's begin at ``starts``.

    Attributes:
        centres: float32 [cells, D].
        cell_of: int16 [rows].
        codes: Of each row, uint64 [rows, words].
        order: int64 [rows].
        laid: The codes in that order, uint64 [words, rows].
        starts: int64 [cells + 1].
    """

    centres: Vectors
    cell_of: NDArray[np.int16]
    codes: Codes
    order: Rows
    laid: Codes
    starts: Rows

    @classmethod
    def around(cls, centres: Vectors) -> _Cells:
        """Without rows."""
        words = code_words(centres.shape[1])
        return cls(
            centres,
            np.zeros(0, np.int16),
            np.zeros((0, words), np.uint64),
            np.zeros(0, np.int64),
            np.zeros((words, 0), np.uint64),
            np.zeros(len(centres) + 1, np.int64),
        )

    def nearest(self, direction: Vectors, wanted: Mask, codes: int) -> tuple[Rows, Codes]:
        """Wanted rows of the nearest cells, at least ``codes`` where there are so many, and their codes.

        Args:
            direction: float32 [D].
            wanted: bool [≥ rows].
            codes: At least 1.

        Returns:
            int64 [n], uint64 [words, n].
        """
        cells = np.argsort(-(self.centres @ direction), kind="stable")
        begins = self.starts[cells]
        sizes = self.starts[cells + 1] - begins
        held = np.cumsum(sizes)
        asked = codes
        while True:
            count = int(np.searchsorted(held, asked)) + 1
            # The places of these cells one after the other, each cell's from where it begins.
            places = np.repeat(begins[:count] - (held - sizes)[:count], sizes[:count])
            places += np.arange(len(places))
            rows = self.order.take(places)
            kept = wanted.take(rows)
            found = np.count_nonzero(kept)
            if found >= codes or count >= len(held):
                break
            # Many are not wanted, as where a filter leaves few.
            asked *= 2
        if found < len(rows):
            places, rows = places[kept], rows[kept]
        return rows, self.laid.take(places, axis=1)


class Neighbourhoods:
    """Cells of the rows of an index. The caller says which rows changed."""

    def __init__(self) -> None:
        self._cells = _Cells.around(np.zeros((0, 0), np.float32))
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
        """Eligible rows that may lie near a direction, and those that are in no cell yet, rising, int64 [n].

        Args:
            direction: float32 [D].
            vectors: Of all rows, of length 1 or 0, float32 [rows, D].
            hashes: uint64 [rows].
            eligible: bool [rows].
            least: So many eligible rows in cells, at least, where there are so many.
        """
        self._follow(vectors, hashes)
        cells = self._cells
        if self._trained_rows and self._work is None and not len(cells.centres):
            return np.flatnonzero(eligible)
        outside = np.zeros(len(eligible), np.bool_)
        known = min(len(eligible), len(self._touched))
        np.logical_or(self._touched[:known], self._moving[:known], out=outside[:known])
        outside &= eligible
        changed = np.flatnonzero(outside)
        if not len(cells.centres):
            return changed
        wanted = eligible[: len(cells.cell_of)] & ~outside[: len(cells.cell_of)]
        codes = max(_CODES_EACH * least, len(eligible) // _CODES_SHARE)
        rows, laid = cells.nearest(direction, wanted, codes)
        if len(rows) > least:
            code = sign_codes(direction[None])[0]
            rows = rows[nearest_codes(differing_bits(laid, code), least)]
        return np.sort(np.concatenate([changed, rows]))

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
    return (yield from _put(np.arange(count), count, _Cells.around(centres)))


def _put(rows: Rows, count: int, cells: _Cells) -> _Work:
    """These rows of so many in the nearest cells, the others where they are."""
    cell_of = np.zeros(count, np.int16)
    cell_of[: len(cells.cell_of)] = cells.cell_of
    codes = np.zeros((count, cells.codes.shape[1]), np.uint64)
    codes[: len(cells.codes)] = cells.codes
    size = _block_rows(len(cells.centres))
    for begin in range(0, len(rows), size):
        vectors = yield
        block = rows[begin : begin + size]
        cell_of[block] = _nearest(vectors[block], cells.centres)
        codes[block] = sign_codes(vectors[block])
    order = np.argsort(cell_of, kind="stable")
    starts = np.searchsorted(cell_of[order], np.arange(len(cells.centres) + 1))
    laid = np.empty((codes.shape[1], count), np.uint64)
    for begin in range(0, count, _LAID_ROWS):
        yield
        part = slice(begin, begin + _LAID_ROWS)
        laid[:, part] = codes[order[part]].T
    return _Cells(cells.centres, cell_of, codes, order, laid, starts)


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
