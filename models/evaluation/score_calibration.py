"""Whether a score says how likely it is that a person takes an item: reliability of calibrated scores.

A score s within [−1, 1] is made a probability by a logistic curve, fitted by likelihood on a random half of
the people, and is held against what the other half did. A pair is a person and an item that the person had
not taken; y = 1 where the person then took it::

    p(s) = 1 / (1 + exp(−(a s + b)))                             Platt 1999
    ece  = Σ_B (n_B / n) · | mean y in B − mean p in B |         Naeini et al. 2015

over bins B of the score, each with about as many of the fitted half's y = 1. Few pairs are ever taken, so
bins of equal width or equal size would put nearly all of them into one. The curve has two parameters, so the
error that is left is that of the score's shape, and of people who differ from the others.

Scores are counted in steps of 1/1000, so that all pairs fit into memory.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STEPS = 2_000
_BINS = 10
_CENTRES = (np.arange(_STEPS) + 0.5) * 2.0 / _STEPS - 1.0
_HALF_SEED = 4

Values = dict[str, Any]
Counts = NDArray[np.float64]


class ScoreCounts:
    """How many pairs have which score, and how many of them were taken, for each half of the people.

    Args:
        users: How many people there are; each is of a half at random, the same in each run.
    """

    def __init__(self, users: int) -> None:
        self._is_measured = np.random.default_rng(_HALF_SEED).permutation(users) % 2 == 1
        self._pairs = np.zeros((2, _STEPS))
        self._taken = np.zeros((2, _STEPS))

    def add(
        self,
        users: NDArray[np.int64],
        scores: NDArray[np.float32],
        is_pair: NDArray[np.bool_],
        is_taken: NDArray[np.bool_],
    ) -> None:
        """Count the pairs of some people.

        Args:
            users: Rows of people, int64 [n].
            scores: [n, items], within [−1, 1] but for rounding.
            is_pair: Whether the item is a candidate for the person, [n, items].
            is_taken: Whether the person then took it, [n, items]; only pairs count.
        """
        steps = np.clip(((scores + 1.0) * (_STEPS / 2)).astype(np.int64), 0, _STEPS - 1)
        for half in (0, 1):
            own = self._is_measured[users] == bool(half)
            for counts, counted in ((self._pairs, is_pair), (self._taken, is_pair & is_taken)):
                counts[half] += np.bincount(steps[own][counted[own]], minlength=_STEPS)

    def calibration(self) -> Values | None:
        """Fitted on one half, measured on the other; None where a half has taken nothing.

        Returns:
            ``slope`` a, ``intercept`` b, ``ece``, ``rate`` (the share of pairs that were taken) and ``bins``,
            rising: ``from`` and ``to`` (scores), ``pairs``, ``predicted`` (mean p) and ``observed`` (mean y).
        """
        if not self._taken.sum(axis=1).all():
            return None
        slope, intercept = _logistic(self._pairs[0], self._taken[0])
        predicted = 1.0 / (1.0 + np.exp(-(slope * _CENTRES + intercept)))
        pairs, taken = self._pairs[1], self._taken[1]
        bins = []
        for begin, end in _bounds(self._taken[0]):
            count = float(pairs[begin:end].sum())
            if count:
                bins.append(
                    {
                        "from": begin * 2.0 / _STEPS - 1.0,
                        "to": end * 2.0 / _STEPS - 1.0,
                        "pairs": int(count),
                        "predicted": float(predicted[begin:end] @ pairs[begin:end]) / count,
                        "observed": float(taken[begin:end].sum()) / count,
                    }
                )
        errors = [one["pairs"] * abs(one["observed"] - one["predicted"]) for one in bins]
        return {
            "slope": slope,
            "intercept": intercept,
            "ece": sum(errors) / float(pairs.sum()),
            "rate": float(taken.sum() / pairs.sum()),
            "bins": bins,
        }


def _bounds(taken: Counts) -> list[tuple[int, int]]:
    """Steps from and to before which bins go, each with about as many that were taken."""
    reached = np.cumsum(taken)
    wanted = np.arange(1, _BINS) * reached[-1] / _BINS
    cuts = np.unique(np.searchsorted(reached, wanted) + 1)
    edges = [0, *cuts[cuts < _STEPS].tolist(), _STEPS]
    return list(pairwise(edges))


def _logistic(pairs: Counts, taken: Counts) -> tuple[float, float]:
    """The curve of the greatest likelihood, as its slope and intercept."""
    from scipy.optimize import minimize

    total, positives = pairs.sum(), taken.sum()
    # Targets a little within 0 and 1, so that there is a greatest likelihood whatever the data (Platt 1999).
    high, low = (positives + 1) / (positives + 2), 1 / (total - positives + 2)
    wanted = taken * high + (pairs - taken) * low
    middle = float(pairs @ _CENTRES / total)
    spread = float(np.sqrt(pairs @ (_CENTRES - middle) ** 2 / total)) or 1.0
    unit = (_CENTRES - middle) / spread

    def loss(curve: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = curve[0] * unit + curve[1]
        value = pairs @ np.logaddexp(0.0, logits) - wanted @ logits
        missed = pairs / (1.0 + np.exp(-logits)) - wanted
        return float(value / total), np.array([missed @ unit, missed.sum()]) / total

    rate = wanted.sum() / total
    found = minimize(loss, np.array([0.0, np.log(rate / (1 - rate))]), jac=True, method="L-BFGS-B").x
    return float(found[0] / spread), float(found[1] - found[0] * middle / spread)
