"""The taste of `models.profile.taste` behind the interface of user models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.profile.taste import TasteSettings, entry_coefficients
from models.user.history import UserHistory

_MS = 1_000.0
_LEAST_LENGTH = 1e-9


class DecayedMean:
    """One vector: past items, the recent and the strong ones first.

    Args:
        settings: Half-lives.
    """

    def __init__(self, settings: TasteSettings | None = None) -> None:
        self._settings = settings or TasteSettings()

    def user_vectors(self, history: UserHistory) -> NDArray[np.float32]:
        """See `UserModel.user_vectors`."""
        dimension = history.vectors.shape[1]
        if not len(history):
            return np.zeros((0, dimension), np.float32)
        vectors = history.vectors.astype(np.float64)
        newest_s = float(history.ages_s[-1])
        coefficients = entry_coefficients(
            history.weights.astype(np.float64),
            (history.ages_s - newest_s) * _MS,
            newest_s * _MS,
            np.arange(len(history)),
            vectors,
            self._settings,
        )
        mean = coefficients @ vectors
        length = float(np.linalg.norm(mean))
        if length < _LEAST_LENGTH:
            return np.zeros((0, dimension), np.float32)
        return np.asarray(mean[None] / length, np.float32)
