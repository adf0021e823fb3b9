"""The same list for everybody: what most people took. The least that a model must beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.offline.interface import Features, FitContext, Interactions


class Popularity:
    """Scores an item by how many people took it."""

    def __init__(self) -> None:
        self._counts = np.zeros(0, np.float32)

    def fit(self, train: Interactions, features: Features, context: FitContext) -> None:
        """See `OfflineModel.fit`."""
        self._counts = np.asarray(train.sum(axis=0), np.float32)

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `OfflineModel.scores`."""
        return np.tile(self._counts, (len(users), 1))
