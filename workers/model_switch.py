"""What is written to `models` to have a version serve: a wish, and where nobody answers the pointer too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from models.bundle_kind import BundleKind
from models.lifecycle import NEEDED_ROLES, Lifecycle, ModelRef
from models.lifecycles import Lifecycles, Start
from streams.errors import InvalidError
from streams.records import Outgoing
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.encoders_in_use import encoder_registry, fusion_in_use, fusion_of, specs_in_use
from workers.model_bundles import BundleLoader, Loader
from workers.model_reports import USER_MODELS, ModelReport
from workers.models_topic import active_record, wanted_record
from workers.user_bundles import UserBundleLoader
from workers.user_models_topic import active_user_record, wanted_user_record


def nobody_answers(reports: Sequence[ModelReport], kind: BundleKind = "fusion") -> bool:
    """Whether no worker is live that would get ready for what is wanted.

    It may be that none can start, as what serves cannot be loaded: the pointer would never move.
    """
    needed = NEEDED_ROLES if kind == "fusion" else (USER_MODELS,)
    return not any(report.role in needed for report in reports)


def loader_of(settings: Settings, state: Lifecycles, kind: BundleKind) -> Loader[Any]:
    """What checks bundles of a kind as workers do."""
    specs = specs_in_use(settings, encoder_registry(settings))
    if kind == "fusion":
        return BundleLoader(settings, specs)
    fusion = fusion_of(settings, specs)
    known = state.known_spaces(Start(fusion.space, fusion.dimension))
    return UserBundleLoader(settings, lambda: known)


def switch_records(
    settings: Settings, state: Lifecycle, ref: ModelRef, at: datetime, *, at_once: bool
) -> list[Outgoing]:
    """The wish that a version serves; with ``at_once`` also the pointer, once the version is checked here.

    Raises:
        InvalidError: With ``at_once``, the version is not known.
        ModelRefusedError: With ``at_once``, it is unfit.
        ManifestError: With ``at_once``, what the settings say is.
        DependencyDownError: With ``at_once``, its bundle cannot be had.
    """
    topics = TopicNames(settings.topics.prefix)
    wish = wanted_record(topics, ref, at)
    if not at_once or ref == state.active_ref:
        return [wish]
    if not state.is_known(ref):
        raise InvalidError(f"there is no model `{ref}`")
    specs = specs_in_use(settings, encoder_registry(settings))
    bundle = state.bundle(ref)
    loader = BundleLoader(settings, specs)
    fusion = fusion_of(settings, specs) if bundle is None else loader.load_now(bundle)
    pointer = active_record(topics, ref, fusion.space, fusion.dimension, bundle, state.active_ref, at)
    return [wish, pointer]


def user_switch_records(
    settings: Settings, state: Lifecycles, space: str, ref: ModelRef, at: datetime, *, at_once: bool
) -> list[Outgoing]:
    """As `switch_records`, of the user models of a space; raises as it does."""
    topics, users = TopicNames(settings.topics.prefix), state.users_of(space)
    wish = wanted_user_record(topics, ref, space, at)
    if not at_once or ref == users.active_ref:
        return [wish]
    if not users.is_known(ref):
        raise InvalidError(f"there is no user model `{ref}`")
    bundle = users.bundle(ref)
    if bundle is not None:
        loader_of(settings, state, "user_model").load_now(bundle)
    fusion = fusion_in_use(settings, encoder_registry(settings))
    dimension = state.dimension_of(space, Start(fusion.space, fusion.dimension))
    if dimension is None:
        raise InvalidError(f"no fusion here makes the space {space}")
    return [wish, active_user_record(topics, ref, (space, dimension), bundle, users.active_ref, at)]
