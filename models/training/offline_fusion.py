"""Trained fusions as models that can be compared: people and items by content alone, without ids."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import TrainingError
from models.offline.fused_means import mean_scores
from models.offline.interface import Features, FitContext, Interactions
from models.training.device import DeviceName, training_device
from models.training.fusion_networks import FusionNetwork
from models.training.fusion_training import FusionSettings, FusionTraining, embed, item_inputs

_CHECKS = 6


class FusionModel:
    """A person is the mean of the fused vectors of what it took; a score is the cosine with an item's.

    Args:
        patience: Checks of validation, `_CHECKS` in all, without a better one before training stops.
        device: Where it learns; see `training_device`.
        settings: As `FusionSettings`.
    """

    def __init__(self, patience: int = 3, device: DeviceName = "cpu", **settings: Any) -> None:
        self._patience = patience
        self._device = training_device(device)
        self._settings = FusionSettings(**settings)
        self._network: FusionNetwork | None = None
        self._train: Any = None
        self._vectors = np.zeros((0, 0), np.float32)

    @classmethod
    def of(cls, network: FusionNetwork, train: Interactions, features: Features) -> FusionModel:
        """A model around a network that has learned."""
        model = cls()
        model._network, model._train = network, train
        model.serve(features)
        return model

    def fit(self, train: Interactions, features: Features, context: FitContext) -> None:
        """See `OfflineModel.fit`."""
        self._train = train
        training = FusionTraining(
            self._settings,
            train,
            features,
            context.seed,
            histories=context.histories,
            device=self._device,
        )
        best, best_state, misses = -np.inf, None, 0
        epochs, every = training.epochs, max(2, training.epochs // _CHECKS)

        def on_epoch(epoch: int, loss: float, network: FusionNetwork) -> bool:
            nonlocal best, best_state, misses
            context.on_progress(epoch, epochs)
            if context.validate is None or (epoch % every and epoch < epochs):
                return False
            self._network = network
            self.serve(features)
            reached = context.validate(self)
            if reached > best:
                best, best_state, misses = reached, copy.deepcopy(network.state_dict()), 0
            else:
                misses += 1
            return misses >= self._patience

        self._network = training.run(on_epoch)
        if best_state is not None:
            self._network.load_state_dict(best_state)
        self.serve(features)

    def serve(self, features: Features) -> None:
        """See `ContentModel.serve`."""
        if self._network is None:
            raise TrainingError("a fusion has to be fitted before it serves")
        ordered = {modality: features[modality] for modality in self._network.modalities}
        self._vectors = embed(self._network, item_inputs(ordered))

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `OfflineModel.scores`."""
        return mean_scores(self._train, self._vectors, users)
