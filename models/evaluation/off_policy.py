"""What another policy would have achieved, estimated from lists that left something to chance.

A place of a list is a decision: the logging policy put an item there with the propensity p, given the places
before it, and r is 1 where somebody acted on it. With π, the probability with which the target policy
would put that same item there, and the weight w = min(π / p, clip)::

    IPS   = (1/n) Σ w r          (Horvitz and Thompson 1952)
    SNIPS = Σ w r / Σ w          (Swaminathan and Joachims, NIPS 2015)
    ESS   = (Σ w)² / Σ w²        (Kish 1965)

over all n places. This is the item-position model of Li et al. (KDD 2018, "Offline evaluation of ranking
policies with click models"), with the places before as they were logged: what an item earns is taken to
depend on the item, its place, the person and the places before, not on those after. Without clipping IPS is
unbiased; SNIPS is consistent, has less variance, and does not depend on the scale of rewards. A clip trades
variance for a bias towards less. Both say nothing about what logging never did: where the target puts
items with p = 0, Σ w stays below n, so ``weight_mean`` is to be near 1.

Intervals are over people: their places depend on each other (see `models.evaluation.intervals`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import EvaluationInputError
from models.evaluation.intervals import UNKNOWN, Estimate, paired_difference, ratio

# At a half: an item that is put there with more than that is the one without exploration.
MAJORITY = 0.5


@dataclass(frozen=True, slots=True)
class OffPolicyEstimate:
    """What is known of the target policy; rates are of rewarded places among all places.

    Attributes:
        logged: What the logging policy achieved on the same places.
        ips: See the module.
        snips: Likewise; NaN where no place has a weight.
        difference: ``snips`` minus ``logged``.
        places: n.
        effective_places: ESS.
        weight_mean: Σ w / n.
        weight_max: The greatest weight, after clipping.
        clipped: Share of the places whose weight was clipped.
    """

    logged: Estimate
    ips: Estimate
    snips: Estimate
    difference: Estimate
    places: int
    effective_places: float
    weight_mean: float
    weight_max: float
    clipped: float


def evaluate_policy(
    people: ArrayLike,
    rewards: ArrayLike,
    propensities: ArrayLike,
    targets: ArrayLike,
    *,
    clip: float,
) -> OffPolicyEstimate:
    """Estimate the target policy.

    Args:
        people: Whose place it is, as numbers from 0, int [n].
        rewards: Of each place, [n].
        propensities: p, in (0, 1], [n].
        targets: π, in [0, 1], [n].
        clip: The greatest weight, above 0; infinity for none.

    Raises:
        EvaluationInputError: The columns are not of one length, or out of their bounds.
    """
    owner = np.asarray(people, np.int64)
    reward, logged, target = (np.asarray(one, np.float64) for one in (rewards, propensities, targets))
    _check(owner, reward, logged, target, clip)
    if not len(owner):
        return OffPolicyEstimate(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, 0, 0.0, 0.0, 0.0, 0.0)
    raw = target / logged
    weights = np.minimum(raw, clip)
    _, owner = np.unique(owner, return_inverse=True)

    def by_person(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(owner, weights=values).astype(np.float64)

    weighted, weight, earned = by_person(weights * reward), by_person(weights), by_person(reward)
    ones = by_person(np.ones(len(owner)))
    squares = float(np.square(weights).sum())
    return OffPolicyEstimate(
        logged=ratio(earned, ones),
        ips=ratio(weighted, ones),
        snips=ratio(weighted, weight),
        difference=paired_difference(weighted, weight, earned, ones),
        places=len(owner),
        effective_places=float(weights.sum() ** 2 / squares) if squares else 0.0,
        weight_mean=float(weights.mean()),
        weight_max=float(weights.max()),
        clipped=float(np.mean(raw > clip)),
    )


def greedy_target(propensities: ArrayLike) -> NDArray[np.float64]:
    """π of the policy without exploration, for each place of a list, [n].

    An item with a propensity above a half is the one that is put there most often, so it is the one that
    is put there where nothing is left to chance. Under ε-greedy with ε below a half that tells every
    place apart: the item has 1 − ε + ε/N, others ε/N. Under softmax it is the item that chance favours; where
    none has a majority the place says nothing: it has no weight in SNIPS, and pulls IPS down.
    """
    return (np.asarray(propensities, np.float64) > MAJORITY).astype(np.float64)


def uniform_target(places: int, candidates: int) -> NDArray[np.float64]:
    """π where chance alone fills each place from the N best that may stand there: 1 / N, [places].

    N is that of the candidates of exploration, as logging must have been able to do the same. Where a place
    had fewer to choose from, its π is too low: by one factor everywhere that moves IPS, and not SNIPS.

    Raises:
        EvaluationInputError: There is no candidate.
    """
    if candidates < 1:
        raise EvaluationInputError(f"{candidates} candidates cannot fill a place")
    return np.full(places, 1.0 / candidates)


def _check(
    owner: NDArray[np.int64],
    reward: NDArray[np.float64],
    logged: NDArray[np.float64],
    target: NDArray[np.float64],
    clip: float,
) -> None:
    if owner.ndim != 1 or not owner.shape == reward.shape == logged.shape == target.shape:
        raise EvaluationInputError("people, rewards, propensities and targets must be columns of one length")
    if not clip > 0:
        raise EvaluationInputError(f"the clip is {clip}; it must be above 0")
    if not np.isfinite(reward).all():
        raise EvaluationInputError("rewards must be finite numbers")
    if not ((logged > 0) & (logged <= 1)).all():
        raise EvaluationInputError("propensities must lie in (0, 1]")
    if not ((target >= 0) & (target <= 1)).all():
        raise EvaluationInputError("probabilities of the target policy must lie in [0, 1]")
