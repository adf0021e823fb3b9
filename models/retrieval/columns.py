"""One attribute of all items, as columns that a filter reads without a loop over items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.retrieval.filters import AttributeValue, FilterRange, Scalar, as_float

Mask = NDArray[np.bool_]
# More comparisons than this, one a value, cost more than one sort.
_FEW_VALUES = 8


class AttributeColumn:
    """The values of one attribute by row.

    Strings and bools are numbered (`codes`, −1 where an item has none), numbers stand in `numbers` (NaN
    where an item has none), and rows whose value is a list are kept by each string of the list.

    Args:
        capacity: Rows.
    """

    def __init__(self, capacity: int) -> None:
        self._codes = np.full(capacity, -1, np.int32)
        self._numbers = np.full(capacity, np.nan, np.float64)
        self._code_of: dict[bool | str, int] = {}
        self._postings: dict[str, _Posting] = {}
        self._listed: dict[int, tuple[str, ...]] = {}

    @property
    def distinct_values(self) -> int:
        """Strings and bools ever numbered, also those that no item has any more."""
        return len(self._code_of)

    def grow(self, capacity: int) -> None:
        """Make room for more rows."""
        more = capacity - len(self._codes)
        self._codes = np.concatenate([self._codes, np.full(more, -1, np.int32)])
        self._numbers = np.concatenate([self._numbers, np.full(more, np.nan, np.float64)])

    def fill(self, values: Sequence[tuple[int, AttributeValue]]) -> None:
        """Set the values of many rows that have none yet."""
        codes, numbers = self._codes.tolist(), self._numbers.tolist()
        for row, value in values:
            if isinstance(value, bool | str):
                codes[row] = self._code_of.setdefault(value, len(self._code_of))
            elif isinstance(value, int | float):
                numbers[row] = as_float(value)
            else:
                self._list(row, value)
        self._codes[:] = codes
        self._numbers[:] = numbers

    def set(self, row: int, value: AttributeValue | None) -> None:
        """Set the value of a row; None where the item does not have the attribute."""
        self._codes[row] = -1
        self._numbers[row] = np.nan
        for word in self._listed.pop(row, ()):
            posting = self._postings[word]
            posting.discard(row)
            if not posting:
                del self._postings[word]
        if isinstance(value, bool | str):
            self._codes[row] = self._code_of.setdefault(value, len(self._code_of))
        elif isinstance(value, int | float):
            self._numbers[row] = as_float(value)
        elif value is not None:
            self._list(row, value)

    def equal_to(self, values: Sequence[Scalar], rows: int) -> Mask:
        """Which of the first ``rows`` rows have one of these values, bool [rows]."""
        mask = np.zeros(rows, np.bool_)
        names = [value for value in values if isinstance(value, bool | str)]
        codes = [code for name in names if (code := self._code_of.get(name)) is not None]
        _mark_equal(mask, self._codes[:rows], codes)
        numbers = [value for value in values if not isinstance(value, bool | str)]
        _mark_equal(mask, self._numbers[:rows], [as_float(number) for number in numbers])
        for name in names:
            if isinstance(name, str) and (posting := self._postings.get(name)) is not None:
                mask[posting.rows()] = True
        return mask

    def within(self, bounds: FilterRange, rows: int) -> Mask:
        """Which of the first ``rows`` rows have a number in the range, bool [rows]."""
        numbers = self._numbers[:rows]
        # A comparison with NaN is False: rows without a number never match.
        low = -np.inf if bounds.min is None else as_float(bounds.min)
        high = np.inf if bounds.max is None else as_float(bounds.max)
        return np.asarray((numbers >= low) & (numbers <= high))

    def _list(self, row: int, value: Sequence[str]) -> None:
        words = tuple(dict.fromkeys(value))
        if words:
            self._listed[row] = words
        for word in words:
            posting = self._postings.get(word)
            if posting is None:
                posting = self._postings[word] = _Posting()
            posting.add(row)


class _Posting:
    """The rows that hold one string in their list; as an array too, made when first asked for."""

    def __init__(self) -> None:
        self._rows: set[int] = set()
        self._array: NDArray[np.int64] | None = None

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, row: int) -> None:
        self._rows.add(row)
        self._array = None

    def discard(self, row: int) -> None:
        self._rows.discard(row)
        self._array = None

    def rows(self) -> NDArray[np.int64]:
        if self._array is None:
            self._array = np.fromiter(self._rows, np.int64, len(self._rows))
        return self._array


def _mark_equal(mask: Mask, column: NDArray[np.generic], values: Sequence[float]) -> None:
    if len(values) <= _FEW_VALUES:
        for value in values:
            mask |= column == value
    else:
        mask |= np.isin(column, np.array(values, column.dtype))
