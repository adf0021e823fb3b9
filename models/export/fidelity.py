"""How near two sets of vectors of the same items are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.encoders.encoder import Vectors

MIN_COSINE = 0.9999
"""What an export must reach with the model that it was made from, for every item of the sample."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How near vectors are to others of the same items.

    Attributes:
        least_cosine: Over the items.
        mean_cosine: Over the items.
        rank_correlation: Spearman's ρ between the cosines of all pairs of items by the one and by the other:
            whether what was near is near still. 1 where there are fewer than three pairs.
    """

    least_cosine: float
    mean_cosine: float
    rank_correlation: float


def fidelity(these: Vectors, others: Vectors) -> Fidelity:
    """Compare vectors [n, d] with others [n, d], row by row; n is at least 1.

    Rows of zeros in both are the same.
    """
    first, second = _unit(these), _unit(others)
    cosines = (first * second).sum(axis=1)
    cosines = np.where(~first.any(axis=1) & ~second.any(axis=1), 1.0, cosines)
    pairs = np.triu_indices(len(first), 1)
    ranks = [_ranks((rows @ rows.T)[pairs]) for rows in (first, second)]
    correlation = 1.0
    if len(pairs[0]) > 2 and all(np.ptp(one) > 0 for one in ranks):
        correlation = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    return Fidelity(float(cosines.min()), float(cosines.mean()), correlation)


def _unit(rows: Vectors) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    wide = rows.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.divide(wide, lengths, out=np.zeros_like(wide), where=lengths > 0)


def _ranks(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Ranks from 0; equal values share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((ends - counts + ends - 1) / 2)[places]
