"""Metrics of whole lists, whatever was then chosen: coverage, intra-list diversity, novelty.

With L the first k items of a list, v the items' unit vectors, I the items of the catalogue, c_i the positive
events on item i so far and C their sum::

    coverage@k  = |⋃ L| / |I|                                  Herlocker et al. 2004; Ge et al. 2010
    diversity@k = mean over pairs i ≠ j of L of 1 − v_i · v_j  Ziegler et al. 2005; Zhang and Hurley 2008
    attribute_diversity@k = share of the pairs without a common value of the attributes that are named
    novelty@k   = mean over i of L of −log₂ p_i,               Zhou et al. 2010; Vargas and Castells 2011
                  p_i = (c_i + 1) / (C + |I|)

the latter three averaged over lists. Pairs with an item that has no vector, or none of the attributes, are
left out: these are the distances of `models.reranking.diversity`. Novelty is in bits; one is added to each
count (Laplace), so that an item that nobody has chosen yet has a finite one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.reranking.diversity import AttributeDistances
from models.retrieval.filters import AttributeValue

Attributes = Mapping[str, AttributeValue]
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


def attribute_diversity(names: Sequence[str], attributes: Sequence[Attributes]) -> float | None:
    """Share of the pairs of a list that have no value in common.

    Args:
        names: Of the attributes that count.
        attributes: Of each item; one without any of these is left out.

    Returns:
        Within [0, 1]; None for fewer than two items with an attribute.
    """
    distances = AttributeDistances(names, attributes)
    known = np.flatnonzero(distances.known)
    if len(known) < 2:
        return None
    apart = sum(float(distances.to(one)[known].sum()) for one in known.tolist())
    return apart / (len(known) * (len(known) - 1))


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
        diversity_by: Attributes of `attribute_diversity`; none: it is not measured.
    """

    def __init__(self, cutoff: int, diversity_by: Sequence[str] = ()) -> None:
        self.cutoff = cutoff
        self._diversity_by = tuple(diversity_by)
        self._attribute_diversity = _Mean()
        self._items = 0
        self._listed = np.zeros(0, np.bool_)
        self._diversity = _Mean()
        self._novelty = _Mean()

    def add(
        self,
        rows: Rows,
        vectors: NDArray[np.floating],
        counts: NDArray[np.integer],
        items: int,
        attributes: Callable[[int], Attributes] = lambda row: {},
    ) -> None:
        """Count one list.

        Args:
            rows: The list's items as rows of the catalogue, best first, int64 [n]; the first k count.
            vectors: Of every row of the catalogue, [rows, D].
            counts: Positive events so far on every row of the catalogue, [rows].
            items: Items of the catalogue now.
            attributes: Of the item of a row.
        """
        first = rows[: self.cutoff]
        if len(counts) > len(self._listed):
            self._listed = np.concatenate([self._listed, np.zeros(len(counts) - len(self._listed), np.bool_)])
        self._listed[first] = True
        self._items = items
        self._diversity.add(intra_list_diversity(vectors[first]))
        if self._diversity_by:
            listed = [attributes(row) for row in first.tolist()]
            self._attribute_diversity.add(attribute_diversity(self._diversity_by, listed))
        self._novelty.add(novelty(counts[first], int(counts.sum()), items))

    def values(self) -> dict[str, float | None]:
        """The metrics by name; None where no list says anything of one."""
        return {
            f"coverage@{self.cutoff}": int(self._listed.sum()) / self._items if self._items else None,
            f"diversity@{self.cutoff}": self._diversity.value(),
            f"attribute_diversity@{self.cutoff}": self._attribute_diversity.value(),
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
