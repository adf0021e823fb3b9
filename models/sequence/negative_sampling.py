"""Pairs against noise: the loss of skip-gram with negative sampling, and its gradients.

Source: Mikolov et al. 2013, "Distributed representations of words and phrases", equation 4. The noise is
drawn once for a batch and shared by its pairs, each draw weighing k / (draws): the same expectation as k
draws a pair, as products of matrices. All arrays are float32, rows int64, unless said otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
_MOST_LOGIT = 30


def pair_gradients(
    a: Floats, b: Floats, noise: Floats, weight: np.float32
) -> tuple[float, Floats, Floats, Floats]:
    """The logistic loss `Σ −log σ(a·b) − weight Σ log σ(−a·n)`, summed over pairs, and its gradients.

    Args:
        a: Vectors of what surrounds, [pairs, d].
        b: Of what appears beside it, [pairs, d].
        noise: Of what was drawn instead, [draws, d].
        weight: Of a draw against a pair.

    Returns:
        The loss, and the gradients by a, b and noise, in their shapes.
    """
    positive = np.clip((a * b).sum(1), -_MOST_LOGIT, _MOST_LOGIT)
    negative = np.clip(a @ noise.T, -_MOST_LOGIT, _MOST_LOGIT)
    loss = float(np.log1p(np.exp(-positive)).sum() + weight * np.log1p(np.exp(negative)).sum())
    of_pairs = (1 / (1 + np.exp(-positive)) - 1)[:, None]
    of_noise = weight / (1 + np.exp(-negative))
    return loss, of_pairs * b + of_noise @ noise, of_pairs * a, of_noise.T @ a


def noise_distribution(counts: NDArray[np.number[Any]], power: float) -> NDArray[np.float64]:
    """The cumulative probabilities of rows that are drawn in proportion to count^power, float64 [rows]."""
    chances = counts.astype(np.float64) ** power
    return np.asarray(np.cumsum(chances / chances.sum()))


def draw_noise(cumulative: NDArray[np.float64], draws: int, rng: np.random.Generator) -> Ints:
    """Rows by their cumulative probabilities, int64 [draws]."""
    return np.searchsorted(cumulative, rng.random(draws)).clip(0, len(cumulative) - 1)


def summed_rows(index: Ints, values: Floats) -> tuple[Ints, Floats]:
    """The different rows of an index, and for each the sum of its values: [k], [k, d]."""
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    return ordered[starts], np.add.reduceat(values[order], starts, axis=0)


def add_rows(out: Floats, index: Ints, values: Floats) -> None:
    """`out[index] += values`, repeated rows summed."""
    rows, sums = summed_rows(index, values)
    out[rows] += sums
