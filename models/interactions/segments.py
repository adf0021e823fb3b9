"""What is used now in a segment of people, such as a country or a device, as an event's context names it.

Of the segments only those used last are kept. Counts fade over two days, as what trends does; as everywhere
here they grow with time instead (see `pair_channels`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FADE_S = 2.0 * 86_400.0
_MAX_EXPONENT = 40.0
_LONGEST_NAME = 64


class SegmentPopularity:
    """Events of items by segment.

    Args:
        entry: Of the context; its value is the segment. Empty: there are no segments.
        most: Segments kept, ≥ 1.
    """

    def __init__(self, entry: str, most: int) -> None:
        self._entry = entry
        self._most = most
        self._places: OrderedDict[str, int] = OrderedDict()
        self._counts = np.zeros((0, 256), np.float32)
        self._origin_s = 0.0

    def __len__(self) -> int:
        """Segments kept."""
        return len(self._places)

    def grow(self, rows: int) -> None:
        """Make room for this many items."""
        have = self._counts.shape[1]
        if rows > have:
            self._counts = np.pad(self._counts, ((0, 0), (0, max(rows, have * 2) - have)))

    def clear(self, row: int) -> None:
        """Forget an item: another has its row now."""
        self._counts[:, row] = 0.0

    def add(self, row: int, time_s: float, context: Mapping[str, Any]) -> None:
        """Take in an event; one whose context names no segment changes nothing."""
        segment = self._segment(context)
        if segment is not None:
            place, growth = self._place(segment, time_s), np.exp(self._exponent(time_s))
            self._counts[place, row] += growth

    def counts(self, context: Mapping[str, Any], now_s: float) -> NDArray[np.float32] | None:
        """Faded events by row in the segment that a context names, float32 [≥ rows].

        None where it names none, or one that nobody was seen in.
        """
        segment = self._segment(context)
        place = None if segment is None else self._places.get(segment)
        if place is None:
            return None
        shrink = np.float32(np.exp(-self._exponent(now_s)))
        return np.asarray(self._counts[place] * shrink)

    def _segment(self, context: Mapping[str, Any]) -> str | None:
        value = context.get(self._entry) if self._entry else None
        if not isinstance(value, str | int | float | bool):
            return None
        name = str(value)
        return name if len(name) <= _LONGEST_NAME else None

    def _place(self, segment: str, time_s: float) -> int:
        """The row of counts of a segment; where there are too many, that of the one used longest ago."""
        place = self._places.pop(segment, None)
        if place is None and len(self._places) < self._most:
            place = len(self._places)
            if not place:
                self._origin_s = time_s
            self._counts = np.pad(self._counts, ((0, 1), (0, 0)))
        elif place is None:
            _, place = self._places.popitem(last=False)
            self._counts[place] = 0.0
        self._places[segment] = place
        return place

    def _exponent(self, time_s: float) -> float:
        """(t − t₀) / a; moves t₀ before its exponential grows too large."""
        exponent = (time_s - self._origin_s) / FADE_S
        if exponent > _MAX_EXPONENT:
            self._counts *= np.float32(np.exp(-exponent))
            self._origin_s, exponent = time_s, 0.0
        return max(exponent, -_MAX_EXPONENT)
