"""Rows of one collection of items as rows of another, without a dictionary look-up for each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Hashes = NDArray[np.uint64]


class RowLink:
    """Remembers where items of one collection stand in another, and checks by hash that they still do."""

    def __init__(self) -> None:
        self._there = np.zeros(0, np.int64)
        # Hash of the item here that was not there, at the version of the other collection below.
        self._missed = np.zeros(0, np.uint64)
        self._version: int | None = None

    def rows(
        self,
        here: Rows,
        hashes_here: Hashes,
        hashes_there: Hashes,
        look_up: Callable[[int], int | None],
        version: int | None = None,
    ) -> Rows:
        """Rows in the other collection, −1 where an item is not in it, int64 [n].

        Args:
            here: Rows in this collection, [n].
            hashes_here: `hash64` of this collection's items, by row.
            hashes_there: Those of the other's.
            look_up: Row here → row there, None where it is not there.
            version: While it is the same, no item has come to the other collection: one that was not there
                is not looked up again. None where that is not known.
        """
        if len(self._there) < len(hashes_here):
            more = max(len(hashes_here), 2 * len(self._there)) - len(self._there)
            self._there = np.concatenate([self._there, np.full(more, -1, np.int64)])
            self._missed = np.concatenate([self._missed, np.zeros(more, np.uint64)])
        if version is None or version != self._version:
            self._missed[:] = 0
            self._version = version
        there = self._there[here]
        held = (there >= 0) & (there < len(hashes_there))
        held[held] = hashes_there[there[held]] == hashes_here[here[held]]
        there[~held] = -1
        wrong = np.flatnonzero(~held & (self._missed[here] != hashes_here[here]))
        if len(wrong):
            found = [look_up(row) for row in here[wrong].tolist()]
            there[wrong] = [-1 if row is None else row for row in found]
            self._there[here[wrong]] = there[wrong]
            lost = here[wrong][there[wrong] < 0]
            self._missed[lost] = hashes_here[lost]
        return there
