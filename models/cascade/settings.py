"""Settings of the cascade and of its learner."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from models.errors import SettingError
from models.interactions.memory import InteractionSettings
from models.ranking.online import OnlineSettings
from models.sequence.item2vec import Item2VecSettings
from models.sequence.settings import SequenceSettings

SOURCES = (
    "interests",
    "covisitation",
    "sequence",
    "item2vec",
    "regression",
    "sessions",
    "stage",
    "trending",
    "new_items",
    "own_items",
    "trending_segment",
    "query",
    "user_model",
)


def default_budgets() -> dict[str, int]:
    """How many candidates each source may give."""
    return {
        "interests": 60,
        "covisitation": 200,
        "sequence": 200,
        "item2vec": 50,
        "regression": 150,
        "sessions": 100,
        "stage": 60,
        "trending": 60,
        "new_items": 100,
        "own_items": 20,
        "trending_segment": 60,
        "query": 200,
        "user_model": 100,
    }


@dataclass(frozen=True, slots=True)
class CascadeSettings:
    """What is remembered, where candidates come from, and how many are ranked.

    Attributes:
        interactions: See `InteractionSettings`.
        budgets: Source → candidates at most; 0 or absence switches it off.
        candidates: Ranked at most.
        new_item_events: An item with fewer positive events is new.
        reason_items: Past items that reasons name.
        without: Families of signals that count for nothing, neither in scores nor in learning.
        asked_share: Of a score, the part of what a person asks for in words, where they have a history.
        objectives: Objective → how much it counts in scores, where the caller does not say; none: all events
            are one objective.
        user_model: Whether a trained user model has a signal of its own; the model itself comes later.
    """

    interactions: InteractionSettings = field(default_factory=InteractionSettings)
    budgets: Mapping[str, int] = field(default_factory=default_budgets)
    candidates: int = 400
    new_item_events: int = 5
    reason_items: int = 3
    without: tuple[str, ...] = ()
    asked_share: float = 0.8
    objectives: Mapping[str, float] = field(default_factory=dict)
    user_model: bool = False

    def __post_init__(self) -> None:
        unknown = sorted(set(self.budgets) - set(SOURCES))
        if unknown:
            raise SettingError(f"there is no candidate source {unknown[0]!r}; there are {', '.join(SOURCES)}")
        if min(self.budgets.values(), default=0) < 0 or self.candidates < 1:
            raise SettingError("budgets must be at least 0, and candidates at least 1")
        if not 0 <= self.asked_share <= 1:
            raise SettingError(f"asked_share is {self.asked_share}; it must be between 0 and 1")
        counts = self.objectives.values()
        if min(counts, default=1.0) < 0 or not max(counts, default=1.0) > 0:
            raise SettingError("objectives must count at least 0, and one of them more")


@dataclass(frozen=True, slots=True)
class LearnSettings:
    """How the learner learns.

    Attributes:
        objectives: Objective → the actions that it is of. None: all events are one objective.
        target_weights: Action → how much it counts as a target; others count ``positive_target_weight`` where
            their weight is above 0 and ``other_target_weight`` where it is not.
        share: Of all events, those that the ranker learns from, within (0, 1]; each then counts so much more.
        online: Steps of the ranker.
        publish_events: Weights are published after so many events.
        refit_events: Models of sources are trained anew after so many events, at first after
            ``first_refit_events``.
        regression_items: The item regression and item2vec cover this many items, those used most.
        regression_kept: Weights of an item that are published.
        sequence: Sizes and training of the sequence model.
        item2vec: Sizes and training of the item2vec model.
        first_epochs, epochs: Over the log, at the first training and at later ones.
        window_events: Newest events that later trainings go over.
        anew_growth: The sequence model and item2vec begin anew once there are so many times the events that
            there were when they last did; in between they are trained on.
        seed: Of everything random.
    """

    objectives: Mapping[str, Collection[str]] = field(default_factory=dict)
    target_weights: Mapping[str, float] = field(default_factory=dict)
    positive_target_weight: float = 1.0
    other_target_weight: float = 0.2
    share: float = 1.0
    online: OnlineSettings = field(default_factory=OnlineSettings)
    publish_events: int = 50
    refit_events: int = 2_500
    first_refit_events: int = 500
    regression_items: int = 3_000
    regression_kept: int = 256
    sequence: SequenceSettings = field(default_factory=SequenceSettings)
    item2vec: Item2VecSettings = field(default_factory=Item2VecSettings)
    first_epochs: int = 9
    epochs: int = 2
    window_events: int = 30_000
    anew_growth: float = 1.6
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.publish_events, self.refit_events, self.first_refit_events) < 1:
            raise SettingError("publish_events and refit_events must be at least 1")
        if min(self.target_weights.values(), default=0.0) < 0:
            raise SettingError("a target must count at least 0")
        if not 0 < self.share <= 1:
            raise SettingError(f"share must be above 0 and at most 1; it is {self.share}")
