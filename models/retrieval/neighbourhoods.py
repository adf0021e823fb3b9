"""Which vectors of a large index may lie near a direction, without a product with all of them.

An inverted file (Jégou, Douze and Schmid 2011, IVF): vectors are put into cells, each around a centre, and
only those in the cells whose centres are nearest are looked at. Centres come from a few steps of spherical
k-means (Dhillon and Modha 2001) over the items with the smallest hashes, so that workers with the same items
have the same centres, however they number their rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.retrieval.columns import Mask

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]
CELLS = 256
_SAMPLE, _STEPS = 64 * CELLS, 3
_BLOCK_ROWS = 4_096
# Rows that changed are looked at one and all, until they are so many.
_MOST_TOUCHED = 1_024


class Neighbourhoods:
    """Cells of the rows of an index. The caller says which rows changed."""

    def __init__(self) -> None:
        self._centres = np.zeros((0, 0), np.float32)
        self._cells = np.zeros(0, np.int16)
        # Rows by cell, and where each cell begins among them.
        self._order = np.zeros(0, np.int64)
        self._starts = np.zeros(CELLS + 1, np.int64)
        self._touched: set[int] = set()
        self._trained_rows = 0

    def touch(self, row: int) -> None:
        """The vector of a row has changed."""
        self._touched.add(row)

    def near(
        self, direction: Vectors, vectors: Vectors, hashes: NDArray[np.uint64], eligible: Mask, least: int
    ) -> Rows:
        """Eligible rows of the nearest cells, and those that changed of late, rising, int64 [n].

        Args:
            direction: float32 [D].
            vectors: Of all rows, of length 1 or 0, float32 [rows, D].
            hashes: uint64 [rows].
            eligible: bool [rows].
            least: Cells are added until they hold so many eligible rows.
        """
        self._follow(vectors, hashes)
        if self._trained_rows and not len(self._centres):
            return np.flatnonzero(eligible)
        touched = np.array(sorted(self._touched), np.int64)
        parts = [touched[eligible[touched]]]
        others = eligible.copy()
        others[touched] = False
        found = 0
        nearness = self._centres @ direction if len(self._centres) else np.zeros(0, np.float32)
        for cell in np.argsort(-nearness, kind="stable").tolist():
            rows = self._order[self._starts[cell] : self._starts[cell + 1]]
            rows = rows[others[rows]]
            parts.append(rows)
            found += len(rows)
            if found >= least:
                break
        return np.sort(np.concatenate(parts))

    def _follow(self, vectors: Vectors, hashes: NDArray[np.uint64]) -> None:
        """Put rows that changed into cells, once they are many; find centres anew where rows have doubled."""
        if len(self._touched) <= _MOST_TOUCHED:
            return
        rows = np.array(sorted(self._touched), np.int64)
        self._touched.clear()
        if len(vectors) > 2 * self._trained_rows or not len(self._centres):
            self._trained_rows = len(vectors)
            self._centres = _centres(vectors, hashes)
            rows = np.arange(len(vectors))
        cells = np.zeros(len(vectors), np.int16)
        cells[: len(self._cells)] = self._cells
        cells[rows] = _nearest(vectors, rows, self._centres)
        self._cells = cells
        self._order = np.argsort(cells, kind="stable")
        self._starts = np.searchsorted(cells[self._order], np.arange(CELLS + 1))


def _centres(vectors: Vectors, hashes: NDArray[np.uint64]) -> Vectors:
    """Centres of cells, float32 [≤ CELLS, D]."""
    # Free rows have the hash 0 and would come first; others have no vector.
    sample = np.argsort(hashes)[np.count_nonzero(hashes == 0) :][: 2 * _SAMPLE]
    blocks = [sample[begin : begin + _BLOCK_ROWS] for begin in range(0, len(sample), _BLOCK_ROWS)]
    there = [block[vectors[block].any(axis=1)] for block in blocks]
    points = vectors[np.concatenate([*there, sample[:0]])[:_SAMPLE]]
    centres = points[:CELLS]
    for _ in range(_STEPS):
        cell = _nearest(points, np.arange(len(points)), centres)
        sums = np.zeros_like(centres)
        np.add.at(sums, cell, points)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, np.float32(1e-9)), centres)
    return np.asarray(centres, np.float32)


def _nearest(vectors: Vectors, rows: Rows, centres: Vectors) -> NDArray[np.int16]:
    """The cell of each of these rows."""
    cells = np.zeros(len(rows), np.int16)
    if not len(centres):
        return cells
    for begin in range(0, len(rows), _BLOCK_ROWS):
        block = slice(begin, begin + _BLOCK_ROWS)
        cells[block] = (vectors[rows[block]] @ centres.T).argmax(axis=1)
    return cells
