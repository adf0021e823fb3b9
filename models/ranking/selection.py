"""The best of many scores, the same ones every time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# How many items at the border of a list are scored exactly, beside one for each place of the list.
_BORDER_ITEMS = 256


def near_top(
    scores: NDArray[np.float32],
    hashes: NDArray[np.uint64],
    count: int,
    rounding: float,
) -> NDArray[np.int64]:
    """Positions that hold the ``count`` best scores, and those so near that rounding may have hidden one.

    Where very many scores are equal within ``rounding``, as in a catalogue without any popularity, those
    with the smallest hash are taken.

    Args:
        scores: Finite, or −inf for what may not be chosen; float32 [n].
        hashes: The tie-break, uint64 [n].
        count: How many are wanted, ≥ 1.
        rounding: How far a score may be from the exact one.

    Returns:
        int64 [m], in no order; at most 2 · count + 256 positions.
    """
    if count >= len(scores):
        return np.flatnonzero(scores > -np.inf)
    threshold = np.partition(scores, len(scores) - count)[len(scores) - count]
    if threshold == -np.inf:
        return np.flatnonzero(scores > -np.inf)
    near = np.flatnonzero(scores >= threshold - 2 * rounding)
    limit = count + _BORDER_ITEMS
    if len(near) <= count + limit:
        return near
    above = scores[near] > threshold + 2 * rounding
    certain, border = near[above], near[~above]
    chosen = border[np.argpartition(hashes[border], limit)[:limit]] if len(border) > limit else border
    return np.concatenate([certain, chosen])


def best_first(scores: NDArray[np.float64], hashes: NDArray[np.uint64], count: int) -> NDArray[np.int64]:
    """Positions of the ``count`` best scores, best first; equal scores in the order of their hashes."""
    return np.lexsort((hashes, -scores))[:count]
