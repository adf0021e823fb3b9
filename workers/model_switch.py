"""What is written to `models` to have a version serve: a wish, and where nobody answers the pointer too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from models.lifecycle import NEEDED_ROLES, Lifecycle, ModelRef
from streams.errors import InvalidError
from streams.records import Outgoing
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.encoders_in_use import encoder_registry, fusion_of, specs_in_use
from workers.model_bundles import BundleLoader
from workers.model_reports import ModelReport
from workers.models_topic import active_record, wanted_record


def nobody_answers(reports: Sequence[ModelReport]) -> bool:
    """Whether no worker is live that would get ready for what is wanted.

    It may be that none can start, as what serves cannot be loaded: the pointer would never move.
    """
    return not any(report.role in NEEDED_ROLES for report in reports)


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
