"""Contenders by name, from the settings as a worker has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from models.cascade.cascade import Cascade
from models.cascade.learner import Learner
from models.cascade.settings import SOURCES
from models.retrieval import ItemIndex
from models.signals.catalogue import FAMILIES
from streams.errors import ConfigurationError
from streams.settings import Settings
from workers.arm_lists import ArmLists, uses_cascade
from workers.evaluation.base_contender import BaseContender
from workers.evaluation.contender import CascadeContender, Contender
from workers.experiments import Experiment
from workers.list_makers import ListMaker
from workers.model_settings import cascade_settings, learn_settings, ranking_settings
from workers.user_model_in_use import UserModelInUse


def make_contender(
    ranker: str, index: ItemIndex, settings: Settings, without: Sequence[str] = (), space: str = ""
) -> Contender:
    """A ranker that knows nothing yet.

    Args:
        ranker: As the setting `recommend.ranker`.
        index: The catalogue.
        settings: Of the deployment that is evaluated.
        without: Candidate sources and families of signals that it has to do without, from the start on; a
            name of both stands for both.
        space: The vector space of the catalogue, for a user model that settings name.

    Raises:
        ManifestError: That is of another space.
        ConfigurationError: There is no such ranker, or it has none of these parts.
    """
    if ranker not in _BUILDERS:
        raise ConfigurationError(f"ranker `{ranker}` cannot be evaluated; there is {', '.join(_BUILDERS)}")
    return _BUILDERS[ranker](index, settings, tuple(without), space)


def _base(index: ItemIndex, settings: Settings, without: Sequence[str], space: str) -> Contender:
    if without:
        raise ConfigurationError("--without goes with the cascade; the base ranker has nothing to relearn")
    return BaseContender(index, ranking_settings(settings), settings.recommend)


def _cascade(index: ItemIndex, settings: Settings, without: Sequence[str], space: str) -> Contender:
    chosen = cascade_settings(settings)
    chosen = replace(
        chosen,
        budgets={**chosen.budgets, **dict.fromkeys(set(without) & set(SOURCES), 0)},
        without=tuple(name for name in without if name in FAMILIES),
    )
    unknown = [name for name in without if name not in (*SOURCES, *FAMILIES)]
    if unknown:
        known = ", ".join(dict.fromkeys([*SOURCES, *FAMILIES]))
        raise ConfigurationError(f"--without {unknown[0]}: the cascade has no such part; it has {known}")

    user_model = UserModelInUse(settings, [(space, index.dimension)]).of(space)

    def anew() -> tuple[Cascade, Learner]:
        cascade = Cascade(index, chosen)
        cascade.use_user_model(user_model)
        return cascade, Learner(cascade, learn_settings(settings))

    return CascadeContender(*anew(), chosen.candidates, anew)


_BUILDERS: dict[str, Callable[[ItemIndex, Settings, Sequence[str], str], Contender]] = {
    "base": _base,
    "cascade": _cascade,
}


def serving_side(index: ItemIndex, settings: Settings, space: str) -> tuple[Contender, ListMaker]:
    """What a recommend worker knows, and what makes its lists from it; it learns nothing by itself.

    Args:
        index: The items.
        settings: Of the worker: `recommend.ranker` says what ranks.
        space: The vector space, which models' names end with.
    """
    experiment = Experiment(settings)
    if not uses_cascade(experiment):
        lists = ArmLists(index, None, experiment, settings, space)
        return BaseContender(index, ranking_settings(settings), settings.recommend), lists
    cascade = Cascade(index, cascade_settings(settings))
    cascade.use_user_model(UserModelInUse(settings, [(space, index.dimension)]).of(space))
    return CascadeContender(cascade, None), ArmLists(index, cascade, experiment, settings, space)
