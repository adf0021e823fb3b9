"""A random walk over who took what and over what resembles what: co-occurrence and content in one graph.

From an item the walk goes, with probability 1 − c, to a person who took it and on to an item of that
person, each evenly (P³, Cooper et al. 2014, "Random walks in recommender systems"), and with probability c
to one of the k items that it resembles most in one of the modalities, after their cosine (a frozen graph of
content, as FREEDOM: Zhou and Shen 2023). A walk of n steps counts δⁿ. With T the transition of one step and
x_u evenly over what u took, the score of item i is::

    s(u, i) = Σ_{n = 1…N} δⁿ (x_u Tⁿ)_i · (1 + p_i)^γ

with p_i the number of people who took i. A person who took very many items ties everything to everything;
beyond ``crowd_items`` items a person is chosen, and counts in p_i, ``crowd_weight`` and 0 times as often.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.offline.interface import Features, FitContext, Interactions

# Directions of content with less variance than this share of the mean are not blown up.
_WHITENING_FLOOR = 0.02
_BLOCK_ITEMS = 2_048
# What no step reaches is put in order of popularity, below all that a step reaches.
_UNREACHED = 1e-5


class ContentWalk:
    """See the module.

    Args:
        content: c, the share of steps by content, 0 to 1; without content it is 0.
        neighbours: k.
        decay: δ.
        steps: N.
        popularity: γ.
        crowd_items: A person with at least so many items belongs to the crowd.
        crowd_weight: How often a person of the crowd is chosen, relative to another.
    """

    def __init__(
        self,
        content: float = 0.1,
        neighbours: int = 10,
        decay: float = 0.8,
        steps: int = 6,
        popularity: float = 0.2,
        crowd_items: int = 10,
        crowd_weight: float = 0.5,
    ) -> None:
        self._content = content
        self._neighbours = neighbours
        self._decay = decay
        self._steps = steps
        self._popularity = popularity
        self._crowd_items = crowd_items
        self._crowd_weight = crowd_weight
        self._start: Any = None
        self._to_people: Any = None
        self._to_alike: Any = None
        self._prior = np.zeros(0, np.float32)
        self._floor = np.zeros(0, np.float32)

    def fit(self, train: Interactions, features: Features, context: FitContext) -> None:
        """See `OfflineModel.fit`."""
        from scipy.sparse import diags_array

        counts = np.asarray(train.sum(axis=1)).ravel()
        in_crowd = counts >= self._crowd_items
        weights = np.where(in_crowd, np.float32(self._crowd_weight), np.float32(1))
        self._start = _rows_sum_to_one(train)
        # Both transposed, for columns of people: a step is two sparse products.
        self._to_people = _rows_sum_to_one((diags_array(weights) @ train).T.tocsr()).T.tocsr()
        alike = [_neighbour_graph(rows, self._neighbours) for rows in features.values() if rows.any()]
        share = self._content if alike else 0.0
        self._to_alike = share * (sum(alike[1:], alike[0]) / len(alike)).T.tocsr() if alike else None
        self._kept = np.float32(1 - share)
        people = np.asarray(train[~in_crowd].sum(axis=0)).ravel()
        crowd = np.asarray(train[in_crowd].sum(axis=0)).ravel()
        self._prior = ((1 + people) ** self._popularity).astype(np.float32)
        self._floor = (_UNREACHED * (people + 0.01 * crowd)).astype(np.float32)

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `OfflineModel.scores`."""
        at = np.ascontiguousarray(self._start[users].toarray().T)
        back = self._start.T.tocsr()
        total = np.zeros_like(at)
        for step in range(1, self._steps + 1):
            moved = self._kept * (back @ (self._to_people @ at))
            if self._to_alike is not None:
                moved += self._to_alike @ at
            at = moved
            total += np.float32(self._decay**step) * at
        return np.asarray((total.T + self._floor) * self._prior, np.float32)


def _rows_sum_to_one(matrix: Any) -> Any:
    """Rows of zeros stay."""
    from scipy.sparse import diags_array

    sums = np.asarray(matrix.sum(axis=1)).ravel()
    inverse = np.divide(1.0, sums, out=np.zeros(len(sums), np.float64), where=sums > 0)
    return (diags_array(inverse) @ matrix).tocsr().astype(np.float32)


def _neighbour_graph(rows: NDArray[np.float32], neighbours: int) -> Any:
    """The nearest items of each that has the modality, after their cosine; each row sums to 1."""
    from scipy.sparse import csr_array

    present = np.flatnonzero(rows.any(axis=1))
    count = min(neighbours, len(present) - 1)
    if count < 1:
        return csr_array((len(rows), len(rows)), dtype=np.float32)
    vectors = _whitened(rows[present])
    nearest, cosines = [], []
    for begin in range(0, len(present), _BLOCK_ITEMS):
        block = vectors[begin : begin + _BLOCK_ITEMS] @ vectors.T
        block[np.arange(len(block)), begin + np.arange(len(block))] = -np.inf
        best = np.argpartition(-block, count - 1, axis=1)[:, :count]
        nearest.append(best)
        cosines.append(np.take_along_axis(block, best, axis=1))
    weights = np.maximum(np.concatenate(cosines).ravel(), 0)
    where: Sequence[NDArray[np.int64]] = (
        np.repeat(present, count),
        present[np.concatenate(nearest).ravel()],
    )
    return _rows_sum_to_one(csr_array((weights, tuple(where)), shape=(len(rows), len(rows))))


def _whitened(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centred, whitened, at unit length."""
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(rows))
    values = np.maximum(values, 0)
    projected = centred @ (vectors / np.sqrt(values + _WHITENING_FLOOR * values.mean() + 1e-12))
    lengths = np.linalg.norm(projected, axis=1, keepdims=True)
    return np.asarray(projected / np.maximum(lengths, 1e-9), np.float32)
