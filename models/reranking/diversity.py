"""Maximal marginal relevance: each place goes to what is good and unlike the places above it.

::

    utility(i) = (1 − δ) · r_i − δ · max_{j listed} v_iᵀ v_j,    r_i = (s_i − min s) / (max s − min s)

Carbonell & Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing
summaries", SIGIR 1998, whose λ is 1 − δ. Scores are brought to [0, 1] over the candidates, as the
similarity is a cosine and δ must weigh like with like. `docs/guide/reranking.md` says why this and not a
determinantal point process.

The greatest similarity of each candidate is kept and raised by one product per place: O(m · D) a place
and not O(m · places · D). An item without a vector is taken to be as near as the others are on average:
0 would make it the most novel of all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def relevance(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores brought to [0, 1], float64 [m]; 0 where all are equal."""
    if not len(scores):
        return scores
    low, high = float(scores.min()), float(scores.max())
    return (scores - low) / (high - low) if high > low else np.zeros(len(scores))


class Similarities:
    """Cosines of candidates, each row computed when first asked for.

    Args:
        vectors: Of unit length or zero, float32 [m, D].
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors
        self.known: NDArray[np.bool_] = np.vecdot(vectors, vectors) > 0
        self.all_known = bool(self.known.all())
        self._rows: dict[int, NDArray[np.float32]] = {}

    def to(self, candidate: int) -> NDArray[np.float32]:
        """Of all candidates to one, float32 [m]."""
        row = self._rows.get(candidate)
        if row is None:
            row = self._rows[candidate] = np.vecdot(self._vectors, self._vectors[candidate])
        return row


class MarginalRelevance:
    """Utilities of candidates for a list that grows.

    Args:
        relevance: Within [0, 1], float64 [m].
        similarities: Of the same candidates.
        diversity: δ within [0, 1].
    """

    def __init__(self, relevance: NDArray[np.float64], similarities: Similarities, diversity: float) -> None:
        self._relevance = (1.0 - diversity) * relevance
        self._similarities = similarities
        self._diversity = diversity
        self._nearest: NDArray[np.float64] | None = None
        self.utility = self._relevance

    def add(self, candidate: int) -> None:
        """The list now has this candidate: utilities fall where others are like it."""
        similarities = self._similarities
        if not similarities.known[candidate]:
            return
        row = similarities.to(candidate)
        if self._nearest is None:
            self._nearest = row.astype(np.float64)
        else:
            np.maximum(self._nearest, row, out=self._nearest)
        if not similarities.all_known:
            known = similarities.known
            self._nearest[~known] = self._nearest[known].mean()
        self.utility = self._relevance - self._diversity * self._nearest
