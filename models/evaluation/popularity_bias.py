"""How far lists lean towards what is popular, and how far from what a person's own history is like.

With c_i the interactions on item i that were learned from, H the items of a person's history, L the first k
items of the person's list::

    arp@k             = mean over people of mean over i of L of c_i
    popularity_lift@k = (GAP_L − GAP_H) / GAP_H,
                        GAP_X = mean over people of mean over i of X of c_i

The average popularity is that of Yin et al. 2012, "Challenging the long tail recommendation";
the lift is ΔGAP of Abdollahpouri et al. 2019, "The unfairness of popularity bias in recommendation".

A lift of 0 is no bias: people are shown what is as popular as what they took. 1 is twice as popular.

With p(g|u) the share of class g in the history of person u, q(g|u) that in the list, each item sharing itself
out equally among its classes, and α = .01::

    calibration@k = mean over people of Σ_g p(g|u) log(p(g|u) / q̃(g|u)),
                    q̃ = (1 − α) q + α p

as in Steck 2018, "Calibrated recommendations", eq. 6 and 7.

It is a divergence in nats: 0 where lists have the classes in the shares of the histories, and the more the
worse. People whose history or list has no classed item are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.evaluation.full_ranking import NO_ITEM

if TYPE_CHECKING:
    from scipy.sparse import csr_array

CALIBRATION_ALPHA = 0.01

PerUser = NDArray[np.float64]


def list_means(lists: NDArray[np.int64], values: NDArray[np.number]) -> PerUser:
    """The mean of what each list's items have.

    Args:
        lists: int64 [n, k]; `NO_ITEM` is left out.
        values: Of every item, [items].

    Returns:
        float64 [n]; NaN for an empty list.
    """
    is_item = lists != NO_ITEM
    sums = np.where(is_item, values[lists], 0.0).sum(axis=1, dtype=np.float64)
    return _ratio(sums, is_item.sum(axis=1))


def history_means(histories: csr_array, values: NDArray[np.number]) -> PerUser:
    """The mean of what each history's items have, float64 [n]; NaN for an empty history.

    Args:
        histories: [n, items].
        values: Of every item, [items].
    """
    return _ratio(histories @ values.astype(np.float64), np.diff(histories.indptr))


def popularity_lift(of_lists: PerUser, of_histories: PerUser) -> float | None:
    """How much more popular lists are than histories; None where there is no person with both.

    Args:
        of_lists: Mean popularity of each person's list, float64 [n]; NaN is left out.
        of_histories: That of each person's history.
    """
    is_known = np.isfinite(of_lists) & np.isfinite(of_histories)
    own = of_histories[is_known].mean() if is_known.any() else 0.0
    return float((of_lists[is_known].mean() - own) / own) if own > 0 else None


def class_shares_of_lists(lists: NDArray[np.int64], classes: NDArray[np.float64]) -> NDArray[np.float64]:
    """q(g|u), float64 [n, G]; a row of zeros where no item has a class.

    Args:
        lists: int64 [n, k]; `NO_ITEM` is left out.
        classes: Of every item its share in each class, float64 [items, G]: rows sum to 1, or to 0 without
            one.
    """
    sums = np.zeros((len(lists), classes.shape[1]))
    for column in lists.T:
        is_item = column != NO_ITEM
        sums[is_item] += classes[column[is_item]]
    return _shares(sums)


def class_shares_of_histories(histories: csr_array, classes: NDArray[np.float64]) -> NDArray[np.float64]:
    """p(g|u), as `class_shares_of_lists`; ``histories`` is [n, items]."""
    return _shares(np.asarray(histories @ classes))


def miscalibration(p: NDArray[np.float64], q: NDArray[np.float64]) -> PerUser:
    """C_KL of each person, float64 [n]; NaN where one of the two has no class.

    Args:
        p: Shares in histories, float64 [n, G].
        q: Shares in lists, float64 [n, G].
    """
    blended = (1.0 - CALIBRATION_ALPHA) * q + CALIBRATION_ALPHA * p
    # Where p is 0, so is p log p.
    terms = np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0) / np.where(p > 0, blended, 1.0)), 0.0)
    exists = (p.sum(axis=1) > 0) & (q.sum(axis=1) > 0)
    return np.where(exists, terms.sum(axis=1), np.nan)


def _shares(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    totals = sums.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(sums, totals, out=np.zeros_like(sums), where=totals > 0)
    return shares


def _ratio(sums: NDArray[np.float64], counts: NDArray[np.integer]) -> PerUser:
    ratio: PerUser = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return ratio
