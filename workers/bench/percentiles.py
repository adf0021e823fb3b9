"""Percentiles by nearest rank: each is a value that was measured, and none lies between two."""

from __future__ import annotations

import math
from collections.abc import Sequence

SHARES = (0.5, 0.95, 0.99, 0.999)


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that at least ``share`` of the values do not exceed.

    Args:
        values: In any order; infinite ones are those that never came.
        share: Within (0, 1].

    Raises:
        ValueError: There are no values, or the share is out of bounds.
    """
    if not values or not 0.0 < share <= 1.0:
        raise ValueError(f"percentile {share} of {len(values)} values")
    # 0.07 · 100 is a little more than 7: rounded, so that it does not take the next rank.
    rank = math.ceil(round(share * len(values), 9))
    return sorted(values)[rank - 1]


def label(share: float) -> str:
    """``p50``, ``p99.9``."""
    return f"p{100 * share:g}"


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two in the middle."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
