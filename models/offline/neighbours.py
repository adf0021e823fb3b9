"""Item-based neighbours: what is like the items that a person took.

Deshpande and Karypis 2004, "Item-based top-N recommendation algorithms": the score of item i for a person
with the history H is the sum over h of H of s(h, i), where i is among the K items most like h. The likeness
s is

- of two items' people, c_hi / (c_h^α c_i^(1−α) + shrinkage), c counting people (`ItemNeighbours`): the cosine
  for α = ½, and for α = 1 the share of those who took h that took i as well, which favours popular items
  (Aiolli 2013, "Efficient top-N recommendation for very large scale binary rated datasets", eq. 4), or
- the cosine of two items' vectors of content (`ContentNeighbours`): it needs nobody to have taken i.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import TrainingError
from models.offline.interface import Features, FitContext, Interactions

_BLOCK_ITEMS = 512


class ItemNeighbours:
    """Likeness by who took the items.

    Args:
        neighbours: K, ≥ 1.
        shrinkage: Lets pairs that few people took count less, ≥ 0.
        asymmetry: α, within [0, 1].
    """

    def __init__(self, neighbours: int, shrinkage: float = 0.0, asymmetry: float = 0.5) -> None:
        self._neighbours = neighbours
        self._shrinkage = shrinkage
        self._asymmetry = asymmetry
        self._train: Any = None
        self._likeness: Any = None

    def fit(self, train: Interactions, features: Features, context: FitContext) -> None:
        """See `OfflineModel.fit`."""
        counts = np.asarray(train.sum(axis=0), np.float64)
        of_taken, of_others = counts**self._asymmetry, counts ** (1.0 - self._asymmetry)
        columns = train.tocsc()
        items = train.shape[1]
        rows = []
        for begin in range(0, items, _BLOCK_ITEMS):
            end = min(begin + _BLOCK_ITEMS, items)
            together = (columns[:, begin:end].T @ train).toarray()
            scale = of_taken[begin:end, None] * of_others + self._shrinkage
            likeness = np.divide(together, scale, out=np.zeros_like(scale), where=together > 0)
            rows.append(_nearest(likeness, begin, self._neighbours))
            context.on_progress(end, items)
        self._likeness, self._train = _stacked(rows), train

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `OfflineModel.scores`."""
        return np.asarray((self._train[users] @ self._likeness).toarray(), np.float32)


class ContentNeighbours:
    """Likeness by content. Each modality is centred on the mean of the items that have it, at fitting.

    Args:
        modalities: Those that count; an item's vectors of unit length are put beside each other.
        neighbours: K, ≥ 1.
    """

    def __init__(self, modalities: Sequence[str], neighbours: int) -> None:
        self._modalities = tuple(modalities)
        self._neighbours = neighbours
        self._means: dict[str, NDArray[np.float32]] = {}
        self._train: Any = None
        self._likeness: Any = None

    def fit(self, train: Interactions, features: Features, context: FitContext) -> None:
        """See `OfflineModel.fit`.

        Raises:
            TrainingError: A modality is not there.
        """
        for modality in self._modalities:
            if modality not in features:
                raise TrainingError(f"the items have no {modality}")
            vectors = features[modality]
            present = vectors[vectors.any(axis=1)]
            self._means[modality] = (
                present.mean(axis=0, dtype=np.float64).astype(np.float32)
                if len(present)
                else np.zeros(vectors.shape[1], np.float32)
            )
        self._train = train
        self.serve(features)

    def serve(self, features: Features) -> None:
        """See `ContentModel.serve`."""
        vectors = _unit(np.concatenate([self._directions(features, one) for one in self._modalities], axis=1))
        self._likeness = _stacked(
            [
                _nearest(vectors[begin : begin + _BLOCK_ITEMS] @ vectors.T, begin, self._neighbours)
                for begin in range(0, len(vectors), _BLOCK_ITEMS)
            ]
        )

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `OfflineModel.scores`."""
        return np.asarray((self._train[users] @ self._likeness).toarray(), np.float32)

    def _directions(self, features: Features, modality: str) -> NDArray[np.float32]:
        vectors = features[modality]
        return _unit(
            np.where(np.asarray(vectors.any(axis=1))[:, None], vectors - self._means[modality], np.float32(0))
        )


def _nearest(likeness: NDArray[np.floating], first: int, count: int) -> Any:
    """The greatest ``count`` positive entries of each row, itself left out, as a sparse matrix.

    Args:
        likeness: [n, items] of the items from ``first`` on.
        first: Number of the first row's item.
        count: How many are kept.
    """
    from scipy.sparse import csr_array

    rows, items = likeness.shape
    own = np.arange(rows)
    likeness[own, first + own] = 0.0
    kept = min(count, items)
    columns = np.argpartition(likeness, items - kept, axis=1)[:, items - kept :]
    values = np.take_along_axis(likeness, columns, axis=1)
    is_kept = np.asarray(values > 0)
    numbers = np.broadcast_to(own[:, None], columns.shape)[is_kept]
    return csr_array(
        (values[is_kept].astype(np.float32), (numbers, columns[is_kept])),
        shape=(rows, items),
        dtype=np.float32,
    )


def _stacked(rows: Sequence[Any]) -> Any:
    from scipy.sparse import vstack

    return vstack(rows, format="csr")


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    found: NDArray[np.float32] = np.divide(
        vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0, casting="unsafe"
    )
    return found
