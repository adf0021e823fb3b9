"""Diversity: a list is worth the relevance of its items and the distances between them.

With r the scores in standard deviations of the candidates', K places and d a distance within [0, 2], a list L
is worth::

    (1 − δ) · Σ_{i ∈ L} r_i + δ / K · Σ_{pairs {i, j} of L} d(i, j)

the objective of max-sum diversification (Gollapudi and Sharma, WWW 2009). It is filled greedily (Borodin, Lee
and Ye, PODS 2012): each place goes to the item that adds most. The first places hardly move, as few items
stand above them. The sum over pairs is what intra-list diversity measures (Ziegler et al., WWW 2005). Scores
in standard deviations make δ mean the same whatever ranks.

Two distances: of content, ``1 − cosine``, and of attributes, 1 where two items have no value of them in
common and 0 where they do.
An item of which nothing is known is taken to be as far off as the others are on average: otherwise it would
be the most novel of all. `docs/guide/reranking.md` says what was tried beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.reranking.shared_values import SharedValues
from models.retrieval.filters import AttributeValue


def relevance(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores in their standard deviations, 0 the best, float64 [m]; 0 where all are equal."""
    deviation = float(np.std(scores)) if len(scores) else 0.0
    return (scores - scores.max()) / deviation if deviation > 0 else np.zeros(len(scores))


class Distances(Protocol):
    """Distances of m candidates.

    Attributes:
        known: Of which candidates anything is known, bool [m].
    """

    known: NDArray[np.bool_]

    def to(self, candidate: int) -> NDArray[np.float32]:
        """Of all candidates to one that is known, float32 [m]; those of unknown candidates mean nothing."""


class ContentDistances:
    """``1 − cosine``; each row is computed when first asked for.

    Args:
        vectors: Of unit length, or zero where nothing is known, float32 [m, D].
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors
        self.known: NDArray[np.bool_] = np.vecdot(vectors, vectors) > 0
        self._rows: dict[int, NDArray[np.float32]] = {}

    def to(self, candidate: int) -> NDArray[np.float32]:
        """See `Distances.to`."""
        row = self._rows.get(candidate)
        if row is None:
            row = self._rows[candidate] = 1.0 - self._vectors @ self._vectors[candidate]
        return row


class AttributeDistances:
    """1 between candidates that have no value in common, 0 between those that have.

    Args:
        names: Of the attributes that count.
        attributes: Of each of m candidates.
    """

    def __init__(self, names: Iterable[str], attributes: Sequence[Mapping[str, AttributeValue]]) -> None:
        self._shared = SharedValues(names, attributes)
        self.known = self._shared.known()

    def to(self, candidate: int) -> NDArray[np.float32]:
        """See `Distances.to`."""
        row = np.ones(self._shared.size, np.float32)
        for name, value in self._shared.of(candidate):
            row[self._shared.holders(name, value)] = 0.0
        return row


class SummedDistances:
    """Utilities of candidates for a list that grows.

    Args:
        relevance: As `relevance` gives it, float64 [m].
        distances: Of the same candidates.
        diversity: δ within [0, 1].
        places: K ≥ 1.
    """

    def __init__(
        self, relevance: NDArray[np.float64], distances: Distances, diversity: float, places: int
    ) -> None:
        self._relevance = (1.0 - diversity) * relevance
        self._distances = distances
        self._share = diversity / places
        self._unknown = np.flatnonzero(~distances.known)
        self._sums = np.zeros(len(relevance))
        self.utility = self._relevance

    def add(self, candidate: int) -> None:
        """The list now has this candidate: utilities rise where others are unlike it."""
        known = self._distances.known
        if not known[candidate]:
            # It is as far off from all of them.
            return
        self._sums += self._distances.to(candidate)
        if len(self._unknown):
            self._sums[self._unknown] = self._sums[known].mean()
        self.utility = self._relevance + self._share * self._sums
