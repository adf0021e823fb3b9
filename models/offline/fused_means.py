"""People and items in one space by content alone: a person is the mean of what it took."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.errors import TrainingError
from models.offline.interface import Features, FitContext, Interactions
from models.offline.user_models import Fuse, fused_as_by_default


def mean_scores(
    train: Interactions, vectors: NDArray[np.float32], users: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Cosines of items with the mean of what each person took, float32 [n, items].

    Args:
        train: Who took what, [users, items].
        vectors: Of all items, of unit length or zero, float32 [items, D].
        users: Rows of ``train``, int64 [n].
    """
    profiles = np.asarray(train[users] @ vectors, np.float32)
    lengths = np.linalg.norm(profiles, axis=1, keepdims=True)
    return np.asarray(profiles / np.maximum(lengths, 1e-9) @ vectors.T, np.float32)


class FusedMeans:
    """Any fusion that is there already, measured as fusions that are trained; see `ContentModel`.

    Args:
        fuse: How items get their vectors; by default as they do before anything was learned: by fixed blocks,
            each modality by its weight.
    """

    def __init__(self, fuse: Fuse = fused_as_by_default) -> None:
        self._fuse = fuse
        self._train: Interactions | None = None
        self._vectors = np.zeros((0, 0), np.float32)

    def fit(self, train: Interactions, features: Features, context: FitContext) -> None:
        """See `OfflineModel.fit`. Nothing is learned."""
        self._train = train
        self.serve(features)

    def serve(self, features: Features) -> None:
        """See `ContentModel.serve`.

        Raises:
            TrainingError: Items have no content.
        """
        self._vectors = self._fuse(features)

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `OfflineModel.scores`."""
        if self._train is None:
            raise TrainingError("a fusion has to be fitted before it serves")
        return mean_scores(self._train, self._vectors, users)
