"""EASE: a linear regression of each item on all others, solved at once.

Steck 2019, "Embarrassingly shallow autoencoders for sparse data", eq. 8: with X the interactions [users,
items], P = (XᵀX + λI)⁻¹, the weights are B = I − P · diag(1 / diag P), whose diagonal is 0, and the scores
X B.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import TrainingError
from models.offline.interface import Features, FitContext, Interactions


class Ease:
    """See the module. Takes 12 bytes of memory for each pair of items while it fits.

    Args:
        regularisation: λ, > 0.
    """

    def __init__(self, regularisation: float) -> None:
        self._regularisation = regularisation
        self._train: Any = None
        self._weights = np.zeros((0, 0), np.float32)

    def fit(self, train: Interactions, features: Features, context: FitContext) -> None:
        """See `OfflineModel.fit`."""
        from scipy.linalg import lapack

        gram = (train.T @ train).toarray().astype(np.float32)
        gram[np.diag_indices_from(gram)] += np.float32(self._regularisation)
        # The matrix is symmetric and positive definite: Cholesky takes a third of a general inverse.
        factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
        if not failed:
            inverse, failed = lapack.spotri(factor, lower=1, overwrite_c=1)
        if failed:
            raise TrainingError(f"EASE with a regularisation of {self._regularisation:g} has no solution")
        lower = np.tril(inverse, -1)
        weights = lower + lower.T
        weights /= -inverse.diagonal()
        self._weights, self._train = np.ascontiguousarray(weights), train

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `OfflineModel.scores`."""
        return np.asarray(self._train[users] @ self._weights, np.float32)
