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
    counts: NDArray[np.float64] = np.bincount(users).astype(np.float64)
    sums: NDArray[np.float64] = np.bincount(users, weights=values).astype(np.float64)
    # People without an event are no clusters.
    found = intervals_of_ratios(
        sums[counts > 0, None], counts[counts > 0, None], seed, level=level, resamples=resamples
    )
    return found[0]


def intervals_of_ratios(
    numerators: NDArray[np.float64],
    denominators: NDArray[np.float64],
    seed: int,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> list[Interval | None]:
    """Sums over people divided by sums over people, several at once, with intervals as `interval_over_users`.

    A mean over those people for whom it exists has 1 below where it exists, and 0 above and below elsewhere.

    Args:
        numerators: Of each person, float64 [n, M], finite.
        denominators: Likewise, ≥ 0.
        seed: Of the draws, which are the same for all M.
        level: Confidence, within (0, 1).
        resamples: Draws.

    Returns:
        M intervals; None where the sum below is 0. A draw whose sum below is 0 does not count.
    """
    people = len(numerators)
    random = np.random.default_rng(seed)
    drawn = np.full((resamples, numerators.shape[1]), np.nan)
    for number in range(resamples if people else 0):
        times = np.bincount(random.integers(people, size=people), minlength=people).astype(np.float64)
        below = times @ denominators
        np.divide(times @ numerators, below, out=drawn[number], where=below > 0)
    found: list[Interval | None] = []
    for column, below in enumerate(denominators.sum(axis=0).tolist()):
        known = drawn[np.isfinite(drawn[:, column]), column]
        if below <= 0 or len(known) < 2:
            found.append(None)
            continue
        low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
        whole = float(numerators[:, column].sum()) / below
        found.append(Interval(whole, float(known.std(ddof=1)), float(low), float(high)))
    return found
