"""The sequence model of people as a model that can be compared."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import TrainingError
from models.offline.interface import Features, FitContext
from models.offline.user_models import Fuse, OfflineUserModel, fused_as_by_default
from models.training.device import DeviceName, training_device
from models.training.missing_modalities import views_without
from models.training.user_export import person
from models.training.user_network import UserNetwork
from models.training.user_training import UserModelSettings, UserTraining
from models.user.history import UserHistory


class TorchUserModel:
    """A network as a user model, without an export; see `UserModel`.

    Args:
        network: In evaluation mode.
        history_entries: Of a history, the newest that are read.
    """

    def __init__(self, network: UserNetwork, history_entries: int) -> None:
        self._network = network
        self._newest = slice(-history_entries, None)

    def user_vectors(self, history: UserHistory) -> NDArray[np.float32]:
        """See `UserModel.user_vectors`."""
        if not len(history):
            return np.zeros((0, history.vectors.shape[1]), np.float32)
        return person(self._network, history, self._newest)[None]


class SequenceModel(OfflineUserModel):
    """Learns in `fit`; stops where validation gets no better.

    Args:
        patience: Checks of validation, one every second epoch, without a better one before training stops.
        fuse: How items get their vectors.
        device: Where it learns; see `training_device`.
        settings: As `UserModelSettings`.
    """

    def __init__(
        self,
        patience: int = 3,
        fuse: Fuse = fused_as_by_default,
        device: DeviceName = "cpu",
        **settings: Any,
    ) -> None:
        super().__init__(None, fuse)
        self._patience = patience
        self._device = training_device(device)
        self._settings = UserModelSettings(**settings)

    def learn(self, features: Features, context: FitContext) -> None:
        """See `OfflineUserModel.learn`."""
        if self._histories is None:
            raise TrainingError("there are no histories to learn from")
        training = UserTraining(
            self._settings,
            self._histories,
            self._vectors,
            context.seed,
            views=views_without(self._fuse, features),
            device=self._device,
        )
        self.use(TorchUserModel(training.network, self._settings.history_entries))
        best, best_state, misses = -np.inf, None, 0

        def on_epoch(epoch: int, loss: float, network: UserNetwork) -> bool:
            nonlocal best, best_state, misses
            context.on_progress(epoch, self._settings.epochs)
            if context.validate is None or (epoch % 2 and epoch < self._settings.epochs):
                return False
            reached = context.validate(self)
            if reached > best:
                best, best_state, misses = reached, copy.deepcopy(network.state_dict()), 0
            else:
                misses += 1
            return misses >= self._patience

        training.run(on_epoch)
        if best_state is not None:
            training.network.load_state_dict(best_state)
