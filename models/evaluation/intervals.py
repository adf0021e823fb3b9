"""Intervals of 95 % for ratios of sums over people, such as clicks a list.

Lists of one person depend on each other, so people are what is drawn at random, and a rate is a ratio of two
sums over them. With N_u and D_u of person u, n people, R = ΣN / ΣD, the delta method (Deng, Knoblich and Lu,
KDD 2018, "Applying the delta method in metric analytics") gives::

    var(R) ≈ s² / (n · D̄²),   s² the sample variance of N_u − R · D_u

It needs some tens of people to be near normal. For a proportion the Wilson interval (1927), which stays
within 0 and 1 and has a width where nothing or everything succeeded, is taken at the effective number of
trials, R(1 − R) / var(R) (Korn and Graubard, Survey Methodology 1998).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import EvaluationInputError

Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate and its 95 % interval; NaN where the data do not say."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


UNKNOWN = Estimate(math.nan, math.nan, math.nan)


def wilson(successes: float, trials: float) -> Estimate:
    """A proportion of independent trials: Wilson's interval, at any number of trials above 0."""
    if trials <= 0:
        return UNKNOWN
    share, z2 = successes / trials, Z_95**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z_95 / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half))


def ratio(numerators: ArrayLike, denominators: ArrayLike) -> Estimate:
    """ΣN / ΣD by the delta method.

    Args:
        numerators: One sum for each person, [n].
        denominators: Likewise, [n].

    Returns:
        NaN where ΣD is 0; NaN ends where there are fewer than two people.

    Raises:
        EvaluationInputError: They are not of one length, or not finite.
    """
    above, below = _columns(numerators, denominators)
    if not below.sum():
        return UNKNOWN
    value = float(above.sum() / below.sum())
    half = Z_95 * math.sqrt(_variance(above, below))
    return Estimate(value, value - half, value + half)


def proportion(successes: ArrayLike, trials: ArrayLike) -> Estimate:
    """Successes of trials, where trials of one person depend on each other; see the module.

    Args:
        successes: Of each person, [n].
        trials: Of each person, [n].

    Raises:
        EvaluationInputError: As `ratio`, or somebody has more successes than trials.
    """
    above, below = _columns(successes, trials)
    if (above > below).any() or (above < 0).any():
        raise EvaluationInputError("successes must lie between 0 and the trials")
    total = float(below.sum())
    if not total:
        return UNKNOWN
    share = float(above.sum()) / total
    variance = _variance(above, below)
    # Where all are alike nothing tells how much trials of one person depend: a person is one trial then.
    people = float(np.count_nonzero(below))
    effective = share * (1 - share) / variance if variance > 0 and 0 < share < 1 else people
    effective = min(total, effective)
    return wilson(share * effective, effective)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """The difference of two proportions of different people: Newcombe's interval from those of both.

    It is his method 10 (Statistics in Medicine 1998), which has a width also where nobody did anything.

    Args:
        first: From `proportion` or `wilson`.
        second: Likewise; what is subtracted.
    """
    value = first.value - second.value
    down = math.hypot(first.value - first.low, second.high - second.value)
    up = math.hypot(first.high - first.value, second.value - second.low)
    return Estimate(value, value - down, value + up)


def paired_difference(
    numerators: ArrayLike,
    denominators: ArrayLike,
    other_numerators: ArrayLike,
    other_denominators: ArrayLike,
) -> Estimate:
    """One ratio minus another over the same people, [n] each.

    Raises:
        EvaluationInputError: As `ratio`, or they are not the same number of people.
    """
    above, below = _columns(numerators, denominators)
    other_above, other_below = _columns(other_numerators, other_denominators)
    if len(above) != len(other_above):
        raise EvaluationInputError(f"{len(above)} and {len(other_above)} people cannot be paired")
    if not below.sum() or not other_below.sum():
        return UNKNOWN
    first, second = above.sum() / below.sum(), other_above.sum() / other_below.sum()
    influence = (above - first * below) / below.mean() - (other_above - second * other_below) / (
        other_below.mean()
    )
    value = float(first - second)
    half = Z_95 * math.sqrt(_variance_of_mean(influence))
    return Estimate(value, value - half, value + half)


def _columns(
    numerators: ArrayLike, denominators: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    above, below = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    if above.ndim != 1 or above.shape != below.shape:
        raise EvaluationInputError(
            f"columns of shapes {above.shape} and {below.shape}, not one number a person"
        )
    if not (np.isfinite(above).all() and np.isfinite(below).all()):
        raise EvaluationInputError("sums must be finite numbers")
    return above, below


def _variance(above: NDArray[np.float64], below: NDArray[np.float64]) -> float:
    """Of ΣN / ΣD, by the delta method; NaN with fewer than two people."""
    residual = above - above.sum() / below.sum() * below
    return _variance_of_mean(residual / below.mean())


def _variance_of_mean(values: NDArray[np.float64]) -> float:
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else math.nan
