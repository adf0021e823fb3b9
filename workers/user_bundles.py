"""From a user model announced to one that lists may be made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from models.bundle_kind import bundle_kind
from models.encoders.session import SessionSettings
from models.lifecycle import Bundle
from models.user.canary import check_user_model
from models.user.sequence import SequenceUserModel
from streams.errors import ModelRefusedError
from streams.settings import Settings
from workers.model_bundles import Loader
from workers.user_model_in_use import CarefulUserModel


class UserBundleLoader(Loader[CarefulUserModel]):
    """Loads bundles of user models.

    Args:
        settings: From where bundles may come.
        known_spaces: The spaces that some fusion makes, as of now → their dimensions.
    """

    def __init__(self, settings: Settings, known_spaces: Callable[[], Mapping[str, int]]) -> None:
        super().__init__(settings)
        self._known_spaces = known_spaces

    def opened(self, folder: Path, bundle: Bundle) -> CarefulUserModel:
        """See `Loader.opened`."""
        if bundle_kind(folder) != "user_model":
            raise ModelRefusedError("it is the bundle of a fusion, and was announced as a user model")
        model = SequenceUserModel(folder, SessionSettings(threads=1))
        if (model.space, model.dimension) != (bundle.space, bundle.dimension):
            raise ModelRefusedError(
                f"it reads the space {model.space} [{model.dimension}], {bundle.space} "
                f"[{bundle.dimension}] was announced"
            )
        known = self._known_spaces()
        if known.get(model.space) != model.dimension:
            here = ", ".join(f"{space} [{dimension}]" for space, dimension in known.items())
            raise ModelRefusedError(
                f"it learned with vectors of the space {model.space} [{model.dimension}], which no fusion "
                f"here makes: there are {here}. Announce its fusion first, or train it anew with `freshet "
                "train user-model --fusion`"
            )
        check_user_model(model)
        return CarefulUserModel(model)
