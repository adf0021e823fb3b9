"""Metrics of whole lists, whatever was then chosen: coverage, intra-list diversity, novelty.

With L the first k items of a list, v the items' unit vectors, I the items of the catalogue, c_i the positive
events on item i so far and C their sum::

    coverage@k  = |⋃ L| / |I|                                  Herlocker et al. 2004; Ge et al. 2010
    diversity@k = mean over pairs i ≠ j of L of 1 − v_i · v_j  Ziegler et al. 2005; Zhang and Hurley 2008
    novelty@k   = mean over i of L of −log₂ p_i,               Zhou et al. 2010; Vargas and Castells 2011
                  p_i = (c_i + 1) / (C + |I|)

the latter two averaged over lists. Pairs with an item that has no vector are left out. Novelty is in bits;
one is added to each count (Laplace), so that an item that nobody has chosen yet has a finite one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def intra_list_diversity(vectors: NDArray[np.floating]) -> float | None:
    """Mean of 1 − cosine over the pairs of a list.

    Args:
        vectors: [n, D] of any length; a row of zeros has no direction, and is left out.

    Returns:
        Within [0, 2]; None for fewer than two items with a vector.
    """
    wide = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(wide, axis=1)
    directed = wide[lengths > 0] / lengths[lengths > 0, None]
    count = len(directed)
    if count < 2:
        return None
    # Σ_{i≠j} v_i · v_j = ‖Σ v_i‖² − n, for vectors of length 1.
    total = float(np.square(directed.sum(axis=0)).sum())
    return 1.0 - (total - count) / (count * (count - 1))


def novelty(counts: NDArray[np.integer], total: int, items: int) -> float | None:
    """Mean self-information of a list's items in bits; None for an empty list.

    Args:
        counts: Positive events on each item of the list so far, [n].
        total: Positive events on all items so far.
        items: Items of the catalogue.
    """
    if not len(counts):
        return None
    return float(-np.log2((counts.astype(np.float64) + 1.0) / (total + items)).mean())


class ListMetrics:
    """Coverage, diversity and novelty of lists as they stream by.

    Args:
        cutoff: k.
    """

    def __init__(self, cutoff: int) -> None:
        self.cutoff = cutoff
        self._items = 0
        self._listed = np.zeros(0, np.bool_)
        self._diversity = _Mean()
        self._novelty = _Mean()

    def add(self, rows: Rows, vectors: NDArray[np.floating], counts: NDArray[np.integer], items: int) -> None:
        """Count one list.

        Args:
            rows: The list's items as rows of the catalogue, best first, int64 [n]; the first k count.
            vectors: Of every row of the catalogue, [rows, D].
            counts: Positive events so far on every row of the catalogue, [rows].
            items: Items of the catalogue now.
        """
        first = rows[: self.cutoff]
        if len(counts) > len(self._listed):
            self._listed = np.concatenate([self._listed, np.zeros(len(counts) - len(self._listed), np.bool_)])
        self._listed[first] = True
        self._items = items
        self._diversity.add(intra_list_diversity(vectors[first]))
        self._novelty.add(novelty(counts[first], int(counts.sum()), items))

    def values(self) -> dict[str, float | None]:
        """``coverage@k``, ``diversity@k`` and ``novelty@k``; None where no list says anything of it."""
        return {
            f"coverage@{self.cutoff}": int(self._listed.sum()) / self._items if self._items else None,
            f"diversity@{self.cutoff}": self._diversity.value(),
            f"novelty@{self.cutoff}": self._novelty.value(),
        }


class _Mean:
    """The mean of what is known."""

    def __init__(self) -> None:
        self._total = 0.0
        self._count = 0

    def add(self, value: float | None) -> None:
        if value is not None:
            self._total += value
            self._count += 1

    def value(self) -> float | None:
        return self._total / self._count if self._count else None
