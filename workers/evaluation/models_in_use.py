"""The fusion and the user model that settings name, for newly trained ones to be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from models.encoders.session import SessionSettings
from models.errors import ModelError
from models.fusion import EncoderSpec, Fusion
from models.fusion.interface import Modality
from models.offline.fused_means import FusedMeans
from models.offline.in_use import ModelInUse
from models.offline.user_models import OfflineUserModel, fused
from models.user import DecayedMean, UserModel
from models.user.sequence import SequenceUserModel
from streams.settings import Settings
from workers.encoders_in_use import fusion_of
from workers.model_settings import ranking_settings


def fusion_to_compare(settings: Settings, specs: Mapping[Modality, EncoderSpec]) -> ModelInUse:
    """The fusion of the settings, where it takes these features.

    Args:
        settings: `fusion.bundle` names it; without one it is the fixed fusion.
        specs: Of what the features are.
    """
    try:
        fusion = fusion_of(settings, specs)
    except ModelError as error:
        return ModelInUse(f"the fusion in {settings.fusion.bundle}", None, str(error))
    return ModelInUse(fusion.space, FusedMeans(partial(fused, fusion)))


def user_model_to_compare(
    settings: Settings, specs: Mapping[Modality, EncoderSpec], other: Fusion
) -> ModelInUse:
    """The user model of the settings, in the space that it is of.

    Args:
        settings: `recommend.user_model` names it; without one it is the decayed mean, by which people are
            described then.
        specs: Of what the features are.
        other: The fusion that the new model is trained with, which may be another than that of the settings:
            the model in use may be of its space too.
    """
    folder = settings.recommend.user_model
    fusions = [other]
    why_not_own = ""
    try:
        fusions.insert(0, fusion_of(settings, specs))
    except ModelError as error:
        why_not_own = str(error)
    if folder is None:
        if why_not_own:
            return ModelInUse("decayed-mean", None, why_not_own)
        return _in_space_of(fusions[0], DecayedMean(ranking_settings(settings).taste), "decayed-mean")
    try:
        model = SequenceUserModel(folder, SessionSettings(threads=settings.encoders.threads))
    except ModelError as error:
        return ModelInUse(f"the user model in {folder}", None, str(error))
    for fusion in fusions:
        if (fusion.space, fusion.dimension) == (model.space, model.dimension):
            return _in_space_of(fusion, model, "sequence")
    here = " or ".join(dict.fromkeys(f"{fusion.space} [{fusion.dimension}]" for fusion in fusions))
    reason = (
        f"it learned with vectors of the space {model.space} [{model.dimension}]; here they are of {here}. "
        "Name the fusion that it learned with in `fusion.bundle`"
    )
    return ModelInUse(f"the user model in {folder}", None, reason)


def _in_space_of(fusion: Fusion, model: UserModel, name: str) -> ModelInUse:
    return ModelInUse(f"{name} in {fusion.space}", OfflineUserModel(model, partial(fused, fusion)))
