"""Confidence intervals over people: a person's events resemble each other, so people are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its standard error and an interval that holds it at a confidence level."""

    mean: float
    standard_error: float
    low: float
    high: float


def interval_over_users(
    users: NDArray[np.int64],
    values: NDArray[np.float64],
    seed: int,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Interval | None:
    """The mean of events, with a percentile interval from people drawn with replacement.

    The cluster bootstrap (Field and Welsh 2007) with percentiles (Efron and Tibshirani 1993): each draw takes
    as many people as there are, each with all events, and has the mean over those events.

    Args:
        users: Whose event it was, int64 [n], numbered from 0.
        values: The metric of each event, float64 [n].
        seed: Of the draws.
        level: Confidence, within (0, 1).
        resamples: Draws.

    Returns:
        None where there is no event.
    """
    if not len(values):
        return None
    sums = np.bincount(users, weights=values)
    counts = np.bincount(users).astype(np.float64)
    # People without an event are no clusters.
    sums, counts = sums[counts > 0], counts[counts > 0]
    random = np.random.default_rng(seed)
    means = np.empty(resamples)
    for number in range(resamples):
        drawn = random.integers(len(sums), size=len(sums))
        means[number] = sums[drawn].sum() / counts[drawn].sum()
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(means.std(ddof=1)), float(low), float(high))
