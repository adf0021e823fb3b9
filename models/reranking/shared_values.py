"""Which candidates share which values of attributes: what caps count, and what makes two items alike.

An item with a list as its value has each string of the list; one without the attribute has none. Values are
told apart as filters do: 1 is 1.0, and a bool is no number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.retrieval.filters import AttributeValue, as_float


class SharedValues:
    """Who has which value.

    Args:
        names: Of attributes.
        attributes: Of each of m candidates.
    """

    def __init__(self, names: Iterable[str], attributes: Sequence[Mapping[str, AttributeValue]]) -> None:
        self.size = len(attributes)
        self._names = tuple(names)
        self._attributes = attributes
        self._found: dict[str, dict[Hashable, NDArray[np.int64]]] = {}

    def of(self, candidate: int) -> Iterator[tuple[str, Hashable]]:
        """The values of a candidate: the attribute and the value."""
        for name in self._names:
            value = self._attributes[candidate].get(name)
            if value is not None:
                for key in _keys(value):
                    yield name, key

    def holders(self, name: str, value: Hashable) -> NDArray[np.int64]:
        """The candidates that have a value which some of them have, int64 [≤ m]."""
        found = self._found.get(name)
        if found is None:
            # Only now: most lists reach no cap.
            found = self._found[name] = _holders(name, self._attributes)
        return found[value]

    def known(self) -> NDArray[np.bool_]:
        """Which candidates have any of the values, bool [m]."""
        return np.array([any(True for _ in self.of(candidate)) for candidate in range(self.size)], np.bool_)


def _holders(
    name: str, attributes: Sequence[Mapping[str, AttributeValue]]
) -> dict[Hashable, NDArray[np.int64]]:
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
    return {value: np.array(who, np.int64) for value, who in holders.items()}


def _keys(value: AttributeValue) -> Iterable[Hashable]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, bool):
        # Apart from 0 and 1, which Python holds equal.
        return ((bool, value),)
    if isinstance(value, int | float):
        return (as_float(value),)
    return dict.fromkeys(value)
