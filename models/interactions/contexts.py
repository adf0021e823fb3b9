"""How often items are used in which situation: at which time of day, and with what else an event says.

A situation is one of 8 parts of the day (UTC) or one of 64 buckets of a hash of (name, value) of an event's
context. Counts fade over 30 days; as everywhere here they grow with time instead (see `pair_channels`).
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.interactions.lazy_zeros import copy_written, lazy_zeros

DAY_PARTS = 8
_BUCKETS = 64
SITUATIONS = DAY_PARTS + _BUCKETS
# Of a context, so that one with thousands of entries costs no more.
MAX_ENTRIES = 16
_FADE_S = 30.0 * 86_400.0
_MAX_EXPONENT = 40.0
_DAY_S = 86_400.0


def day_part(time_s: float) -> int:
    """The part of the day, 0 to 7."""
    return int(time_s % _DAY_S // (_DAY_S / DAY_PARTS))


def named_situations(context: Mapping[str, Any]) -> list[int]:
    """The situations that a context's entries stand for, each once; long values and tables are left out."""
    found = set()
    for name in sorted(context)[:MAX_ENTRIES]:
        value = context[name]
        if isinstance(value, str | int | float | bool) and len(str(value)) <= 64:
            digest = blake2b(f"{name}\x00{value}".encode("utf-8", "surrogatepass"), digest_size=4).digest()
            found.add(DAY_PARTS + int.from_bytes(digest, "little") % _BUCKETS)
    return sorted(found)


class ContextCounts:
    """Events of items by situation."""

    def __init__(self) -> None:
        self._counts = np.zeros((SITUATIONS, 256), np.float32)
        self._totals = np.zeros(SITUATIONS)
        self._origin_s: float | None = None

    def grow(self, rows: int) -> None:
        """Make room for this many items."""
        have = self._counts.shape[1]
        if rows > have:
            # Most situations are never met.
            counts = lazy_zeros((SITUATIONS, max(rows, have * 2)))
            copy_written(self._counts, counts)
            self._counts = counts

    def clear(self, row: int) -> None:
        """Forget an item: another has its row now."""
        self._totals -= self._counts[:, row]
        self._counts[:, row] = 0.0

    def add(self, row: int, time_s: float, context: Mapping[str, Any]) -> None:
        """Take in an event."""
        growth = self._growth(time_s)
        for situation in (day_part(time_s), *named_situations(context)):
            self._counts[situation, row] += growth
            self._totals[situation] += growth

    def add_many(self, rows: NDArray[np.int64], times_s: NDArray[np.float64]) -> None:
        """Take in many events of which only the times are known, int64 and float64 [n]."""
        if not len(rows):
            return
        self._growth(float(times_s.max()))
        assert self._origin_s is not None
        growth = np.exp(np.maximum((times_s - self._origin_s) / _FADE_S, -_MAX_EXPONENT))
        parts = (times_s % _DAY_S // (_DAY_S / DAY_PARTS)).astype(np.int64)
        np.add.at(self._counts, (parts, rows), growth.astype(np.float32))
        self._totals += np.bincount(parts, growth, SITUATIONS)

    def remove(self, row: int, time_s: float) -> None:
        """Take an event back from its time of day; in which other situations it was is not known any more."""
        growth, part = self._growth(time_s), day_part(time_s)
        taken = min(float(self._counts[part, row]), growth)
        self._counts[part, row] -= taken
        self._totals[part] = max(self._totals[part] - taken, 0.0)

    def counts(
        self, situation: int, rows: NDArray[np.int64], now_s: float
    ) -> tuple[NDArray[np.float32], float]:
        """Faded events of these items in a situation, float32 [n], and of all items in it."""
        shrink = 1.0 / self._growth(now_s)
        return self._counts[situation, rows] * np.float32(shrink), float(self._totals[situation]) * shrink

    def _growth(self, time_s: float) -> float:
        if self._origin_s is None:
            self._origin_s = time_s
        exponent = (time_s - self._origin_s) / _FADE_S
        if exponent > _MAX_EXPONENT:
            shrink = np.exp(-exponent)
            self._counts *= np.float32(shrink)
            self._totals *= shrink
            self._origin_s, exponent = time_s, 0.0
        return float(np.exp(max(exponent, -_MAX_EXPONENT)))
