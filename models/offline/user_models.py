"""User models as models that can be compared: people by their history, items by their fused vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.datasets.interactions import Histories
from models.errors import TrainingError
from models.fusion import EncoderSpec, Fusion, LinearFusion
from models.fusion.interface import MODALITIES, Modality
from models.offline.interface import Features, FitContext, Interactions
from models.profile.taste import TasteSettings
from models.user import DecayedMean, MultiInterest, UserHistory, UserModel

Fuse = Callable[[Features], NDArray[np.float32]]
"""Features of all items to their fused vectors, float32 [items, D]; zero where an item has none."""
NO_TIMES = "user models need the order and the times of events, which the data set lacks"
_MS = 1_000.0


def fused(fusion: Fusion, features: Features) -> NDArray[np.float32]:
    """The vectors of all items, as `Fuse`."""
    given: list[dict[Modality, NDArray[np.float32]]] = [{} for _ in next(iter(features.values()))]
    for modality in MODALITIES:
        rows = features.get(modality)
        if rows is not None:
            for row in np.flatnonzero(rows.any(axis=1)).tolist():
                given[row][modality] = rows[row]
    vectors = np.zeros((len(given), fusion.dimension), np.float32)
    for row, vector in enumerate(fusion.fuse_batch(given)):
        if vector is not None:
            vectors[row] = vector
    return vectors


def fused_as_by_default(features: Features) -> NDArray[np.float32]:
    """By the fixed fusion, whatever the encoders are called."""
    specs: Mapping[Modality, EncoderSpec] = {
        modality: EncoderSpec(modality, sha256(modality.encode()).hexdigest(), features[modality].shape[1])
        for modality in MODALITIES
        if modality in features
    }
    if not specs:
        raise TrainingError("user models need items with content")
    return fused(LinearFusion(specs), features)


class OfflineUserModel:
    """Any user model; see `ContentModel`. An item's score is its largest cosine with the person's vectors.

    Args:
        model: Which; None for one that `learned` makes in `fit`.
        fuse: How items get their vectors.
    """

    def __init__(self, model: UserModel | None, fuse: Fuse = fused_as_by_default) -> None:
        self._model = model
        self._fuse = fuse
        self._histories: Histories | None = None
        self._bounds = np.zeros((0, 2), np.int64)
        self._vectors = np.zeros((0, 0), np.float32)

    def fit(self, train: Interactions, features: Features, context: FitContext) -> None:
        """See `OfflineModel.fit`.

        Raises:
            TrainingError: The data set has no times, or items have no content.
        """
        histories = context.histories
        if histories is None:
            raise TrainingError(NO_TIMES)
        people = np.arange(train.shape[0])
        self._histories = histories
        self._bounds = np.stack(
            [np.searchsorted(histories.users, people, side) for side in ("left", "right")], axis=1
        )
        self.serve(features)
        self.learn(features, context)

    def learn(self, features: Features, context: FitContext) -> None:
        """Called once histories and vectors are there. Nothing to learn by default."""

    def use(self, model: UserModel) -> None:
        """Score by this model from now on."""
        self._model = model

    def serve(self, features: Features) -> None:
        """See `ContentModel.serve`."""
        self._vectors = self._fuse(features)

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `OfflineModel.scores`. People of whom nothing is known score all items 0."""
        found = np.zeros((len(users), len(self._vectors)), np.float32)
        if self._model is None:
            raise TrainingError("a user model has to be fitted before it scores")
        for row, user in enumerate(users.tolist()):
            vectors = self._model.user_vectors(self._history(user))
            if len(vectors):
                found[row] = (vectors @ self._vectors.T).max(axis=0)
        return found

    def _history(self, user: int) -> UserHistory:
        """As of the moment at which people are looked at."""
        assert self._histories is not None
        begin, end = self._bounds[user].tolist()
        times_ms = self._histories.times_ms[begin:end]
        as_of_ms = self._histories.as_of_ms
        if as_of_ms is None:
            as_of_ms = int(times_ms[-1]) if len(times_ms) else 0
        ages_s = (as_of_ms - times_ms) / _MS
        items, weights = self._histories.items[begin:end], self._histories.weights[begin:end]
        return UserHistory.of(items, self._vectors, weights, ages_s)


def decayed_mean(**settings: Any) -> OfflineUserModel:
    """The taste; ``settings`` as `TasteSettings`."""
    return OfflineUserModel(DecayedMean(TasteSettings(**settings)))


def multi_interest() -> OfflineUserModel:
    """Clusters of what was liked lately."""
    return OfflineUserModel(MultiInterest())
