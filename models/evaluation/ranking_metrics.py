"""Metrics of one relevant item's rank in a list, and their means as events stream by.

A test event has one relevant item: the one that the person then chose. With r its rank from 1 (∞ where it is
not ranked) and k the cutoff::

    HR@k   = [r ≤ k]                     Deshpande and Karypis 2004, "Item-based top-N recommendation"
    NDCG@k = [r ≤ k] / log₂(r + 1)       Järvelin and Kekäläinen 2002, with one relevant item: ideal DCG is 1
    MRR@k  = [r ≤ k] / r                 Voorhees 1999, TREC-8 question answering, cut at k

each averaged over events. With one relevant item, HR@k is also Recall@k. Ranks are among the whole catalogue
but what the person has seen: sampled candidates would change the order of methods (Krichene and Rendle 2020).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NOT_RANKED = 0
"""The rank of an item that is not in the list."""
CUTOFFS = (10, 20)

Ranks = NDArray[np.int64]
Values = NDArray[np.float64]
Metrics = dict[str, float | None]


def hit_rate(ranks: Ranks, cutoff: int) -> Values:
    """HR@k of each event, float64 [n]. ``ranks``: int64 [n] from 1, `NOT_RANKED` where there is none."""
    return _within(ranks, cutoff).astype(np.float64)


def ndcg(ranks: Ranks, cutoff: int) -> Values:
    """NDCG@k of each event, float64 [n]; ``ranks`` as `hit_rate`."""
    return np.where(_within(ranks, cutoff), 1.0 / np.log2(np.maximum(ranks, 1) + 1.0), 0.0)


def reciprocal_rank(ranks: Ranks, cutoff: int) -> Values:
    """1 / r of each event where r ≤ k, else 0, float64 [n]; ``ranks`` as `hit_rate`."""
    return np.where(_within(ranks, cutoff), 1.0 / np.maximum(ranks, 1), 0.0)


def _within(ranks: Ranks, cutoff: int) -> NDArray[np.bool_]:
    return np.asarray((ranks != NOT_RANKED) & (ranks <= cutoff))


class RankMetrics:
    """Means of HR, NDCG and MRR as events stream by; memory does not grow with events.

    Args:
        cutoffs: The k of each metric.
    """

    def __init__(self, cutoffs: Sequence[int] = CUTOFFS) -> None:
        self.cutoffs = tuple(cutoffs)
        self.n = 0
        self._hits = [0] * len(self.cutoffs)
        self._gains = [0.0] * len(self.cutoffs)
        self._reciprocals = [0.0] * len(self.cutoffs)

    def add(self, rank: int) -> None:
        """Count one event whose item had this rank, from 1; `NOT_RANKED` where it had none."""
        self.n += 1
        if rank == NOT_RANKED:
            return
        for number, cutoff in enumerate(self.cutoffs):
            if rank <= cutoff:
                self._hits[number] += 1
                self._gains[number] += 1.0 / math.log2(rank + 1)
                self._reciprocals[number] += 1.0 / rank

    def values(self) -> Metrics:
        """``n`` and ``hr@k``, ``ndcg@k``, ``mrr@k`` for each cutoff; None where no event was counted."""
        found: Metrics = {"n": self.n}
        for name, sums in (("hr", self._hits), ("ndcg", self._gains), ("mrr", self._reciprocals)):
            for cutoff, total in zip(self.cutoffs, sums, strict=True):
                found[f"{name}@{cutoff}"] = total / self.n if self.n else None
        return found
