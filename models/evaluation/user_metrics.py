"""Accuracy of one person's ranking against what the person then took, for many people at once.

With R the held-out items of a person, L the first k items of the list, r_j the rank from 1 of the j-th
held-out item, ranks rising, and n the number of candidates::

    recall@k    = |L ∩ R| / |R|
    precision@k = |L ∩ R| / k                            both: Cleverdon 1967, cut at k
    hr@k        = [|L ∩ R| > 0]                          Deshpande and Karypis 2004
    ndcg@k      = Σ_{r_j ≤ k} 1/log₂(r_j + 1)
                  / Σ_{j ≤ min(k, |R|)} 1/log₂(j + 1)    Järvelin and Kekäläinen 2002
    mrr@k       = [r_1 ≤ k] / r_1                        Voorhees 1999, cut at k
    map@k       = Σ_{r_j ≤ k} (j / r_j) / |R|            Buckley and Voorhees 2000, cut at k
    auc         = 1 − Σ_j (r_j − j) / (|R| (n − |R|))    Mann and Whitney 1947; Rendle et al. 2009

Each is then averaged over people with at least one held-out item. AUC is the share of pairs of a held-out and
another candidate that are in the right order; it does not exist for a person of whom every candidate is held
out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.evaluation.full_ranking import Rankings

ACCURACY = ("recall", "precision", "hr", "ndcg", "mrr", "map")

PerUser = NDArray[np.float64]


def accuracy(rankings: Rankings, cutoffs: Sequence[int]) -> dict[str, PerUser]:
    """Each metric of each person, by names such as ``recall@20``, and ``auc``.

    Returns:
        float64 [n], in the order of ``rankings.users``; NaN where a metric does not exist.
    """
    people = len(rankings)
    owner, ranks = rankings.owner, rankings.ranks
    relevant = rankings.relevant.astype(np.float64)
    # Which of the person's held-out items it is, from 1: ranks rise within a person.
    starts = np.cumsum(rankings.relevant) - rankings.relevant
    numbers = np.arange(len(ranks)) - starts[owner] + 1
    ideal = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(1, max(cutoffs) + 1) + 1.0))])

    def per_person(values: NDArray[np.floating]) -> PerUser:
        return np.bincount(owner, weights=values, minlength=people).astype(np.float64)

    found: dict[str, PerUser] = {}
    for k in cutoffs:
        is_hit = (ranks <= k).astype(np.float64)
        hits = per_person(is_hit)
        found[f"recall@{k}"] = hits / relevant
        found[f"precision@{k}"] = hits / k
        found[f"hr@{k}"] = (hits > 0).astype(np.float64)
        gains = per_person(is_hit / np.log2(ranks + 1.0))
        found[f"ndcg@{k}"] = gains / ideal[np.minimum(rankings.relevant, k)]
        found[f"mrr@{k}"] = per_person(np.where(numbers == 1, is_hit / ranks, 0.0))
        found[f"map@{k}"] = per_person(is_hit * numbers / ranks) / relevant
    wrong = per_person((ranks - numbers).astype(np.float64))
    pairs = relevant * (rankings.candidates - relevant)
    found["auc"] = np.where(pairs > 0, 1.0 - wrong / np.maximum(pairs, 1.0), np.nan)
    return found
