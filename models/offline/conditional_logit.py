"""Weights of signals by which people choose among items, by maximum likelihood.

With x_i the signals of item i for a person, and C the items that were open to them, the probability that they
chose i is (McFadden 1974, "Conditional logit analysis of qualitative choice behavior", equation 12)::

    P(i) = exp(wᵀ x_i) / Σ_{j ∈ C} exp(wᵀ x_j)

The sum of log P over choices is concave in w, so Newton's method finds its only maximum; a step that would
make it less is halved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import TrainingError

# Where there is a maximum the steps soon square the distance to it. Where there is none each is about 1 long,
# and takes 27 to come as near to the bound as the tolerance asks.
_MOST_STEPS, _MOST_HALVINGS = 20, 30


@dataclass(frozen=True, slots=True)
class Choices:
    """Some choices, each of one item.

    Attributes:
        signals: What each item is for whoever chose, finite, float32 [choices, items, signals].
        is_open: Whether the item could be chosen, bool [choices, items].
        chosen: The item that was, an open one, int64 [choices].
    """

    signals: NDArray[np.float32]
    is_open: NDArray[np.bool_]
    chosen: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fit:
    """What was found.

    Attributes:
        weights: w, float64 [signals].
        standard_errors: Of each, from the curvature at the maximum, float64 [signals].
        log_likelihood: The mean of log P over choices, in nats.
        steps: Of Newton's method.
    """

    weights: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    log_likelihood: float
    steps: int


def fit_conditional_logit(blocks: Sequence[Choices], tolerance: float = 1e-12) -> Fit:
    """The most likely weights. Begins at 0; nothing is random.

    Args:
        blocks: All choices; a block at a time is held in float64, six times over.
        tolerance: Enough when a step would gain less than this many nats a choice.

    Raises:
        TrainingError: No choices, or no maximum: some signals tell every choice, so that
            weights grow for ever.
    """
    count = sum(len(block.chosen) for block in blocks)
    if not count:
        raise TrainingError("there is no choice to fit weights to")
    weights = np.zeros(blocks[0].signals.shape[2])
    likelihood, slope, curvature = _at(blocks, weights)
    for steps in range(1, _MOST_STEPS + 1):
        # Where signals depend on each other the shortest of the steps that are as good.
        step = np.linalg.lstsq(curvature, slope, rcond=None)[0]
        if slope @ step < 2 * tolerance * count:
            errors = np.sqrt(np.diag(np.linalg.pinv(curvature)))
            return Fit(weights, errors, likelihood / count, steps - 1)
        for _ in range(_MOST_HALVINGS):
            found = _at(blocks, weights + step)
            if found[0] >= likelihood:
                break
            step /= 2
        weights = weights + step
        likelihood, slope, curvature = found
    raise TrainingError("weights have no most likely values: some signals tell every choice")


def _at(
    blocks: Sequence[Choices], weights: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """The sum of log P, its gradient, and minus its second derivatives."""
    likelihood, slope = 0.0, np.zeros(len(weights))
    curvature = np.zeros((len(weights), len(weights)))
    for block in blocks:
        signals = block.signals.astype(np.float64)
        scores = np.where(block.is_open, signals @ weights, -np.inf)
        scores -= scores.max(axis=1, keepdims=True)
        shares = np.exp(scores)
        sums = shares.sum(axis=1, keepdims=True)
        shares /= sums
        rows = np.arange(len(block.chosen))
        likelihood += float((scores[rows, block.chosen] - np.log(sums[:, 0])).sum())
        expected = np.einsum("ci,cis->cs", shares, signals)
        slope += (signals[rows, block.chosen] - expected).sum(axis=0)
        spread = signals * np.sqrt(shares)[:, :, None]
        flat = spread.reshape(-1, len(weights))
        curvature += flat.T @ flat - expected.T @ expected
    return likelihood, slope, curvature
