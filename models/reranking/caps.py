"""Caps: how many items of a list may share a value of an attribute.

An item with a list as its value counts for each string of the list; one without the attribute for none.
Values are told apart as filters do: 1 is 1.0, and a bool is no number.

Where all that is left would exceed a cap, the items that exceed caps least may come: the list is filled.
With one cap on single values that happens only where no other choice could have avoided it (such sets
form a partition matroid). With several caps, or with lists as values, an earlier choice may use up what
a later one needs; finding out beforehand is NP-hard (set packing), and is not attempted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.retrieval.filters import AttributeValue, as_float


class SharedValues:
    """Which candidates share which values of the attributes that have a cap.

    Args:
        max_per_attribute: Attribute → cap.
        attributes: Of each of m candidates.
    """

    def __init__(
        self, max_per_attribute: Mapping[str, int], attributes: Sequence[Mapping[str, AttributeValue]]
    ) -> None:
        self.size = len(attributes)
        self._attributes = attributes
        self._holders = {name: _holders(name, attributes) for name in max_per_attribute}
        self._caps = max_per_attribute

    def of(self, candidate: int) -> Iterator[tuple[Hashable, int, list[int]]]:
        """The values of a candidate: a name for each, its cap, and the candidates that have it."""
        for name, holders in self._holders.items():
            value = self._attributes[candidate].get(name)
            if value is not None:
                for key in _keys(value):
                    yield (name, key), self._caps[name], holders[key]


class CapCounter:
    """How far a list that grows has used up its caps."""

    def __init__(self, shared: SharedValues) -> None:
        self._shared = shared
        self._counts: Counter[Hashable] = Counter()
        # By how much each candidate would exceed caps, summed over its values.
        self._excess = np.zeros(shared.size, np.int32)
        self._any_reached = False

    def add(self, candidate: int) -> None:
        """The list now has this candidate."""
        for value, cap, holders in self._shared.of(candidate):
            self._counts[value] += 1
            if self._counts[value] >= cap:
                self._excess[holders] += 1
                self._any_reached = True

    def fits(self, candidate: int) -> bool:
        """Whether the list may have this candidate too."""
        return not self._excess[candidate]

    def fitting(self, remaining: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Those of ``remaining`` that exceed no cap; where none is left, those that exceed caps least.

        Args:
            remaining: At least one, bool [m].
        """
        if not self._any_reached:
            return remaining
        fitting: NDArray[np.bool_] = remaining & (self._excess == 0)
        if not fitting.any():
            fitting = remaining & (self._excess == self._excess[remaining].min())
        return fitting


def _holders(name: str, attributes: Sequence[Mapping[str, AttributeValue]]) -> dict[Hashable, list[int]]:
    """Value of an attribute → the candidates that have it."""
    holders: dict[Hashable, list[int]] = defaultdict(list)
    for candidate, own in enumerate(attributes):
        value = own.get(name)
        if isinstance(value, str):
            holders[value].append(candidate)
        elif isinstance(value, bool | int | float):
            for key in _keys(value):
                holders[key].append(candidate)
        elif value is not None:
            # A string that stands twice makes the candidate stand twice here, which changes nothing.
            for word in value:
                holders[word].append(candidate)
    return holders


def _keys(value: AttributeValue) -> Iterable[Hashable]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, bool):
        # Apart from 0 and 1, which Python holds equal.
        return ((bool, value),)
    if isinstance(value, int | float):
        return (as_float(value),)
    return dict.fromkeys(value)
