"""The experiment that runs: which arm a person is in, and the settings of that arm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from models.experiments import Assignment
from streams.cascade_settings import CONTROL_ARM, ArmSettings, RerankSettings, SourceSettings
from streams.errors import ConfigurationError
from streams.settings import RecommendSettings, Settings

# What they steer is kept for all people together, or is read before it is known who asks.
_SAME_FOR_ALL = frozenset(
    {
        "after_event_wait_ms",
        "list_retention_days",
        "max_cause_age_s",
        "popularity_half_life_days",
        "popularity_refresh_s",
        "user_model",
    }
)
_Section = TypeVar("_Section", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Arm:
    """Settings as they are for the people of one arm.

    Attributes:
        experiment: The experiment's name; None where none runs.
        name: The arm's name; None where no experiment runs.
    """

    experiment: str | None
    name: str | None
    recommend: RecommendSettings
    sources: SourceSettings
    rerank: RerankSettings


class Experiment:
    """Arms with their effective settings, all checked; without arms, one set of settings for all.

    Args:
        settings: The overrides of each arm are laid over their sections. A table or a list in an override
            takes the place of the whole one.

    Raises:
        ConfigurationError: An override is unknown or out of bounds, or cannot differ between arms.
    """

    def __init__(self, settings: Settings) -> None:
        experiment = settings.experiment
        runs = bool(experiment.arms)
        self._assignment = Assignment(
            experiment.salt or experiment.name,
            {name: arm.share for name, arm in experiment.arms.items()},
        )
        self._arms = {name: _arm(settings, name, arm) for name, arm in experiment.arms.items()}
        self._control = Arm(
            experiment=experiment.name if runs else None,
            name=CONTROL_ARM if runs else None,
            recommend=settings.recommend,
            sources=settings.sources,
            rerank=settings.rerank,
        )

    @property
    def arms(self) -> tuple[Arm, ...]:
        """All arms, the control arm first: what each needs can be made ready at start."""
        return (self._control, *self._arms.values())

    def arm_of(self, user_id: str) -> Arm:
        """The arm that a person is in: always the same, in every process."""
        name = self._assignment.arm_of(user_id)
        return self._control if name is None else self._arms[name]


def _arm(settings: Settings, name: str, arm: ArmSettings) -> Arm:
    fixed = sorted(_SAME_FOR_ALL & arm.recommend.keys())
    if fixed:
        raise ConfigurationError(
            f"setting `experiment.arms.{name}.recommend.{fixed[0]}`: `recommend.{fixed[0]}` is the same for "
            "all people; set it in `recommend`"
        )
    at = f"experiment.arms.{name}"
    recommend = _over(settings.recommend, arm.recommend, f"{at}.recommend")
    try:
        settings.objectives_of(recommend)
    except ValueError as error:
        raise ConfigurationError(f"setting `{at}`: {error}") from None
    return Arm(
        experiment=settings.experiment.name,
        name=name,
        recommend=recommend,
        sources=_over(settings.sources, arm.sources, f"{at}.sources"),
        rerank=_over(settings.rerank, arm.rerank, f"{at}.rerank"),
    )


def _over(section: _Section, overrides: Mapping[str, Any], at: str) -> _Section:
    """A section with other values in places.

    Raises:
        ConfigurationError: An override is unknown or out of bounds; names the setting.
    """
    try:
        return type(section).model_validate(section.model_dump() | dict(overrides))
    except ValidationError as error:
        lines = [
            f"setting `{'.'.join([at, *map(str, problem['loc'])])}`: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise ConfigurationError("; ".join(lines)) from None
