"""Rows of one collection of items as rows of another, kept current by what changed in either."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
# Beyond so many changes between two readings a link is made anew.
KEPT_CHANGES = 4_096


class RowChanges:
    """Which rows of a collection lately came to hold another item, or none any more."""

    def __init__(self) -> None:
        self._rows: list[int] = []
        self.count = 0
        """Changes ever."""

    def add(self, row: int) -> None:
        """Note a change."""
        self._rows.append(row)
        self.count += 1
        if len(self._rows) > 2 * KEPT_CHANGES:
            del self._rows[:KEPT_CHANGES]

    def since(self, count: int) -> list[int] | None:
        """The rows that changed since there were ``count`` changes; None where that is too long ago."""
        missed = self.count - count
        if missed > min(len(self._rows), KEPT_CHANGES):
            return None
        return self._rows[len(self._rows) - missed :]


class ItemsByRow(Protocol):
    """A collection of items by row, each item in one row at most."""

    @property
    def changes(self) -> RowChanges:
        """Of its rows."""

    @property
    def rows(self) -> int:
        """Rows in use, free ones among them included."""

    def get(self, item_id: str) -> int | None:
        """The row of an item; None where it has none."""

    def item_in(self, row: int) -> str | None:
        """The item in a row; None where it is free."""


class RowLink:
    """Where the items of one collection stand in another, and the other way round.

    Reading costs nothing while neither has changed; else, look-ups of the items in the rows that changed.
    The arrays are views, to be read at once: the next change may move them.

    Args:
        one: The first collection.
        other: The second.
    """

    def __init__(self, one: ItemsByRow, other: ItemsByRow) -> None:
        self._one = one
        self._other = other
        self._there = np.zeros(0, np.int64)
        self._back = np.zeros(0, np.int64)
        self._followed: tuple[int, int] | None = None

    @property
    def there(self) -> Rows:
        """By row of the first: the row in the second, −1 where the item is not in it. int64 [rows]"""
        self._follow()
        return self._there[: self._one.rows]

    @property
    def back(self) -> Rows:
        """By row of the second: the row in the first, −1 where the item is not in it. int64 [rows]"""
        self._follow()
        return self._back[: self._other.rows]

    def _follow(self) -> None:
        one, other = self._one, self._other
        now = (one.changes.count, other.changes.count)
        if now == self._followed:
            return
        ones = others = None
        if self._followed is not None:
            ones, others = one.changes.since(self._followed[0]), other.changes.since(self._followed[1])
        self._followed = now
        if ones is None or others is None:
            # Every link stands in both arrays, so the rows of one of them are enough.
            self._there = np.full(one.rows, -1, np.int64)
            self._back = np.full(other.rows, -1, np.int64)
            if one.rows <= other.rows:
                ones, others = list(range(one.rows)), []
            else:
                ones, others = [], list(range(other.rows))
        else:
            self._there, self._back = _grown(self._there, one.rows), _grown(self._back, other.rows)
            _unlink(self._there, self._back, ones)
            _unlink(self._back, self._there, others)
        _link(self._there, self._back, one, other, ones)
        _link(self._back, self._there, other, one, others)


def _grown(links: Rows, rows: int) -> Rows:
    have = len(links)
    if rows <= have:
        return links
    return np.concatenate([links, np.full(max(rows, 2 * have) - have, -1, np.int64)])


def _unlink(mine: Rows, theirs: Rows, rows: list[int]) -> None:
    for row in rows:
        there = int(mine[row])
        if there >= 0:
            mine[row] = theirs[there] = -1


def _link(mine: Rows, theirs: Rows, items: ItemsByRow, others: ItemsByRow, rows: list[int]) -> None:
    for row in rows:
        item_id = items.item_in(row)
        there = None if item_id is None else others.get(item_id)
        if there is not None:
            mine[row] = there
            theirs[there] = row
