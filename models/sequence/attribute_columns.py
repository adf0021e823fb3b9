"""Attributes of items as the columns of a matrix, for models that learn from what items have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.retrieval.filters import AttributeValue

MAX_WORDS = 64
# A value that fewer items share says nothing that the items themselves do not.
_LEAST_ITEMS = 5
_BINS = 8
Attributes = Mapping[str, AttributeValue]


class AttributeColumns(msgspec.Struct, frozen=True, array_like=True):
    """Which attributes make which columns.

    ``words``: an attribute and a value of it; an item with m values of an attribute has 1/√m in the column
    of each. ``numbers``: an attribute and the edges between its bins, a column for each bin.
    """

    words: tuple[tuple[str, str], ...] = ()
    numbers: tuple[tuple[str, tuple[float, ...]], ...] = ()

    @property
    def count(self) -> int:
        """How many columns."""
        return len(self.words) + sum(len(edges) + 1 for _, edges in self.numbers)

    def matrix(self, items: Sequence[Attributes]) -> NDArray[np.float32]:
        """A row for each item, float32 [items, columns]."""
        matrix = np.zeros((len(items), self.count), np.float32)
        at = {word: column for column, word in enumerate(self.words)}
        for row, attributes in enumerate(items):
            for name, value in attributes.items():
                values = _words(value)
                for one in values:
                    if (name, one) in at:
                        matrix[row, at[name, one]] = len(values) ** -0.5
        first = len(self.words)
        for name, edges in self.numbers:
            for row, attributes in enumerate(items):
                number = _number(attributes.get(name))
                if number is not None:
                    matrix[row, first + int(np.searchsorted(edges, number, side="right"))] = 1.0
            first += len(edges) + 1
        return matrix


def choose_columns(items: Sequence[Attributes]) -> AttributeColumns:
    """The values that most items share, and bins of numbers that hold about as many items each."""
    counts = Counter((name, word) for one in items for name, value in one.items() for word in _words(value))
    # Not what most items have: it tells none apart.
    shared = [(word, count) for word, count in counts.items() if _LEAST_ITEMS <= count <= 0.9 * len(items)]
    words = sorted(shared, key=lambda entry: (-entry[1], entry[0]))[:MAX_WORDS]
    found: dict[str, list[float]] = {}
    for one in items:
        for name, value in one.items():
            number = _number(value)
            if number is not None:
                found.setdefault(name, []).append(number)
    numbers = []
    for name, values in sorted(found.items()):
        if len(values) >= _BINS * _LEAST_ITEMS:
            edges = np.unique(np.quantile(values, np.arange(1, _BINS) / _BINS)).tolist()
            numbers.append((name, tuple(edges)))
    return AttributeColumns(tuple(word for word, _ in words), tuple(numbers))


def _words(value: AttributeValue) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, bool | int | float):
        return ()
    return tuple(dict.fromkeys(value))


def _number(value: AttributeValue | None) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if np.isfinite(value) else None
