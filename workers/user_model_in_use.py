"""The trained user model that settings name, in the one vector space that it is of."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import structlog
from numpy.typing import NDArray

from models.encoders.session import SessionSettings
from models.errors import EncoderOutputError, ManifestError
from models.user import UserHistory, UserModel
from models.user.sequence import SequenceUserModel
from streams.settings import Settings

_log = structlog.get_logger()


class UserModelInUse:
    """Loaded once, at start; used while lists are of its vector space, and never in another.

    Args:
        settings: `recommend.user_model` names the bundle; there need be none.
        spaces: Name and dimension of the spaces that it may be of: that of the settings, and the one that
            serves.

    Raises:
        ManifestError: The bundle is damaged, or of none of these spaces.
    """

    def __init__(self, settings: Settings, spaces: Iterable[tuple[str, int]]) -> None:
        self._model: CarefulUserModel | None = None
        folder = settings.recommend.user_model
        if folder is None:
            return
        model = SequenceUserModel(folder, SessionSettings(threads=1))
        known = list(dict.fromkeys(spaces))
        if (model.space, model.dimension) not in known:
            here = " or ".join(f"{space} [{dimension}]" for space, dimension in known)
            raise ManifestError(
                f"the user model in {folder} learned with vectors of the space {model.space} "
                f"[{model.dimension}]; here they are of {here}. Train it anew with `freshet train "
                "user-model` and the fusion in use, or take it out of `recommend.user_model`."
            )
        self._model = CarefulUserModel(model)

    @property
    def space(self) -> str | None:
        """The space that it is of; None where there is none."""
        return None if self._model is None else self._model.space

    def held(self, space: str) -> UserModel | None:
        """The model, where it is of this space."""
        return self._model if self.space == space else None

    def of(self, space: str) -> UserModel | None:
        """As `held`; a warning says where it is of another."""
        if self._model is None or self._model.space == space:
            return self._model
        _log.warning(
            "lists are made without the user model, which is of another vector space",
            space=space,
            user_model=self._model.space,
        )
        return None


class CarefulUserModel:
    """A list is made without a person's vectors where the network cannot tell them."""

    def __init__(self, model: SequenceUserModel) -> None:
        self._model = model
        self._has_failed = False

    @property
    def space(self) -> str:
        """The vector space that it reads and answers in."""
        return self._model.space

    def user_vectors(self, history: UserHistory) -> NDArray[np.float32]:
        """See `UserModel.user_vectors`."""
        try:
            return self._model.user_vectors(history)
        except EncoderOutputError as error:
            if not self._has_failed:
                _log.error("the user model fails: lists are made without it", error=str(error))
            self._has_failed = True
            return np.zeros((0, self._model.dimension), np.float32)
