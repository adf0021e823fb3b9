"""What a filter may ask of an item's attributes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.errors import ListQueryError

Scalar = bool | int | float | str
AttributeValue = bool | int | float | str | Sequence[str]


def as_float(number: float) -> float:
    """A number as float64; an integer too large for one is infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


@dataclass(frozen=True, slots=True)
class FilterRange:
    """A number from ``min`` to ``max``, both included; None is no bound."""

    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        bounds = [bound for bound in (self.min, self.max) if bound is not None]
        if not bounds or any(math.isnan(as_float(bound)) for bound in bounds):
            raise ListQueryError("a range in a filter needs `min` or `max`, as numbers")


FilterValue = Scalar | Sequence[Scalar] | FilterRange
"""A value to be equal to, several of which one must be equal, or a range.

An attribute that is a list of strings is equal to a value that it contains. A bool equals no number;
1 equals 1.0; numbers compare as float64. An item without the attribute does not match.
"""

Filter = Mapping[str, object]
"""Attribute → `FilterValue`; what comes from outside is checked where it is used."""


def filter_values(name: str, value: object) -> Sequence[Scalar]:
    """The values that a filter accepts for an attribute.

    Raises:
        ListQueryError: It is none of the types above.
    """
    values = value if isinstance(value, list | tuple) else (value,)
    if not all(isinstance(one, bool | int | float | str) for one in values):
        raise ListQueryError(
            f"filter `{name}` must be a value, a list of values or a range; it is {type(value).__name__}"
        )
    return values
