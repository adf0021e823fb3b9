"""A filter that is asked about one item at a time.

`ItemIndex.matching` answers for all rows of the index from columns; a list of some hundred candidates,
whose attributes are at hand, needs no columns. Both mean the same (see `models.retrieval.filters`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from models.retrieval.filters import AttributeValue, Filter, FilterRange, as_float, filter_values


class ItemFilter:
    """A filter, checked and made ready once.

    Args:
        wanted: Attribute → `FilterValue`. An empty filter is passed by every item.

    Raises:
        ListQueryError: A value of the filter is of the wrong type.
    """

    def __init__(self, wanted: Filter) -> None:
        self._tests: tuple[tuple[str, _Values | FilterRange], ...] = tuple(
            (name, value if isinstance(value, FilterRange) else _Values.of(name, value))
            for name, value in wanted.items()
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ItemFilter) and self._tests == other._tests

    def __hash__(self) -> int:
        return hash(self._tests)

    def __repr__(self) -> str:
        return f"ItemFilter({dict(self._tests)!r})"

    def matches(self, attributes: Mapping[str, AttributeValue]) -> bool:
        """Whether an item with these attributes passes every part of the filter."""
        return bool(self.positions((attributes,)))

    def positions(self, items: Sequence[Mapping[str, AttributeValue]]) -> list[int]:
        """Which of these items, given by their attributes, pass every part of the filter; rising."""
        found = list(range(len(items)))
        for name, test in self._tests:
            accept = test.accept if isinstance(test, _Values) else partial(_within, test)
            found = [
                position
                for position in found
                if (value := items[position].get(name)) is not None and accept(value)
            ]
        return found


@dataclass(frozen=True, slots=True)
class _Values:
    """Values of which one must be equal, by type: a bool equals no number, though Python says so."""

    strings: frozenset[str]
    bools: frozenset[bool]
    numbers: frozenset[float]

    @classmethod
    def of(cls, name: str, value: object) -> _Values:
        values = filter_values(name, value)
        numbers = [as_float(one) for one in values if not isinstance(one, bool | str)]
        return cls(
            strings=frozenset(one for one in values if isinstance(one, str)),
            bools=frozenset(one for one in values if isinstance(one, bool)),
            # A set finds NaN by identity; it must equal nothing.
            numbers=frozenset(one for one in numbers if not math.isnan(one)),
        )

    def accept(self, value: AttributeValue) -> bool:
        if isinstance(value, str):
            return value in self.strings
        if isinstance(value, bool):
            return value in self.bools
        if isinstance(value, int | float):
            return as_float(value) in self.numbers
        return not self.strings.isdisjoint(value)


def _within(bounds: FilterRange, value: AttributeValue) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    number = as_float(value)
    return (bounds.min is None or number >= as_float(bounds.min)) and (
        bounds.max is None or number <= as_float(bounds.max)
    )
