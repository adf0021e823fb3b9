"""A row for every item that people have something to do with, also for items that no index holds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from models.errors import SettingError
from models.retrieval.row_link import RowChanges


class ItemRows:
    """Item id → row, at most ``max_items`` of them; beyond, the item used longest ago gives its row.

    Args:
        max_items: At least 1.

    Raises:
        SettingError: ``max_items`` is below 1.
    """

    def __init__(self, max_items: int) -> None:
        if max_items < 1:
            raise SettingError(f"max_items must be at least 1; it is {max_items}")
        self._max_items = max_items
        self._row_of: OrderedDict[str, int] = OrderedDict()
        self._item_ids: list[str] = []
        self.changes = RowChanges()

    def __len__(self) -> int:
        return len(self._item_ids)

    @property
    def rows(self) -> int:
        """Rows in use."""
        return len(self._item_ids)

    def get(self, item_id: str) -> int | None:
        """The row of an item; None where it has none. Does not count as use."""
        return self._row_of.get(item_id)

    def item_id(self, row: int) -> str:
        """The item in a row."""
        return self._item_ids[row]

    def item_in(self, row: int) -> str | None:
        """As `item_id`: none of these rows is ever free."""
        return self._item_ids[row]

    def rows_of(self, item_ids: Iterable[str]) -> NDArray[np.int64]:
        """Rows of these items in their order, int64 [n]; −1 where an item has none."""
        row_of = self._row_of
        return np.array([row_of.get(item_id, -1) for item_id in item_ids], np.int64)

    def use(self, item_id: str) -> tuple[int, bool]:
        """The row of an item, made where it has none; and whether another item had this row before."""
        row = self._row_of.get(item_id)
        if row is not None:
            self._row_of.move_to_end(item_id)
            return row, False
        if len(self._item_ids) < self._max_items:
            row = len(self._item_ids)
            self._item_ids.append(item_id)
            self._put(item_id, row)
            return row, False
        _, row = self._row_of.popitem(last=False)
        self._item_ids[row] = item_id
        self._put(item_id, row)
        return row, True

    def _put(self, item_id: str, row: int) -> None:
        self.changes.add(row)
        self._row_of[item_id] = row
