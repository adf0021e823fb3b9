"""Settings of the cascade: sources of candidates, ranking that learns, re-ranking, experiments, joins."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

MEBIBYTE = 1 << 20


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InteractionSettings(_Section):
    """What recommend and learn workers remember, in memory, of what people did with which items."""

    max_items: int = Field(200_000, ge=1, description="Beyond, the items used longest ago are forgotten.")
    neighbours: int = Field(
        128,
        ge=1,
        le=4_096,
        description="Kept for each item, at most, where all pairs do not fit into memory.",
    )
    memory_bytes: int = Field(
        512 * MEBIBYTE, ge=MEBIBYTE, description="For pairs of items; fewer are kept where it is short."
    )
    recent_entries: int = Field(
        199, ge=1, le=199, description="Of a history, those that pair with a new one."
    )
    log_events: int = Field(
        100_000, ge=1_000, description="Newest events of all people: neighbours and trainings read them."
    )
    item_events: int = Field(100, ge=1, le=1_000, description="Of these, those looked at for an item.")
    segment_by: str = Field(
        "",
        max_length=64,
        description="Entry of `context`, such as `country`, whose value is the segment that things trend in; "
        "empty: there are no segments.",
    )
    segments: int = Field(64, ge=1, le=1_024, description="Kept, those used last.")
    replay_events: int = Field(
        100_000, ge=0, description="Newest events of all histories from which a starting worker builds this."
    )
    gather_s: float = Field(
        0.1,
        ge=0.0,
        le=10.0,
        description="For so long what others do is gathered before it is taken in, together; "
        "a list always knows of its own cause.",
    )


class SourceSettings(_Section):
    """How many candidates each source may give; 0 switches it off."""

    interests: int = Field(60, ge=0, le=2_000, description="Content nearest to the person's interests.")
    covisitation: int = Field(200, ge=0, le=2_000, description="Items near the person's in histories.")
    sequence: int = Field(200, ge=0, le=2_000, description="The sequence model's best.")
    item2vec: int = Field(50, ge=0, le=2_000, description="Items whose vectors fit the newest entries.")
    regression: int = Field(150, ge=0, le=2_000, description="The item regression's best.")
    sessions: int = Field(100, ge=0, le=2_000, description="From histories that touch the person's.")
    stage: int = Field(60, ge=0, le=2_000, description="What people with as many events use.")
    trending: int = Field(60, ge=0, le=2_000, description="Used most in the last days.")
    new_items: int = Field(100, ge=0, le=2_000)
    own_items: int = Field(20, ge=0, le=2_000, description="The person's own that may repeat.")
    trending_segment: int = Field(
        60, ge=0, le=2_000, description="Used most in the person's segment, see `interactions.segment_by`."
    )
    query: int = Field(200, ge=0, le=2_000, description="Nearest to what a request asks for in words.")
    user_model: int = Field(
        100, ge=0, le=2_000, description="Nearest to the person by the user model in use, where there is one."
    )


class LearnSettings(_Section):
    """How the ranker learns from what people do, and when models of sources are trained."""

    objectives: dict[Annotated[str, Field(min_length=1, max_length=64)], tuple[str, ...]] = Field(
        default_factory=dict,
        max_length=8,
        description='Name → the actions that it is of, such as `purchase = ["add_to_cart", "purchase"]`. '
        "Each is learned apart, and `recommend.objective_weights` weighs them; none: all events are one.",
    )
    target_weights: dict[str, Annotated[FiniteFloat, Field(ge=0)]] = Field(
        default_factory=dict,
        description="Action → how much it counts as a target; others count by the sign of their weight.",
    )
    positive_target_weight: FiniteFloat = Field(1.0, ge=0, description="Of an event whose weight is above 0.")
    other_target_weight: FiniteFloat = Field(0.2, ge=0, description="Of any other event.")
    share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Of all events, those that the ranker learns from; less saves processor time.",
    )
    nice: int = Field(
        10,
        ge=0,
        le=19,
        description="How far the worker steps back for others on its machine, as in `nice`.",
    )
    prior_curvature: FiniteFloat = Field(
        100.0, gt=0, description="How firmly the first weights stand; the larger, the slower they give way."
    )
    memory_events: FiniteFloat = Field(
        20_000.0, ge=1, description="After so many events what the ranker learned has faded to 1/e."
    )
    warm_up_events: int = Field(
        10_000, ge=0, description="Over so many events the learned weights take over from the first."
    )
    batch_events: int = Field(32, ge=1, le=1_000, description="Events of one step.")
    max_step: float = Field(0.05, gt=0, description="The most that one step moves any weight by.")
    publish_events: int = Field(50, ge=1, description="Weights are published after so many events …")
    publish_s: float = Field(2.0, gt=0, description="… or after so long, where any were learned.")
    first_refit_events: int = Field(500, ge=1, description="Models of sources are trained after so many.")
    refit_events: int = Field(2_500, ge=1, description="Then they are trained again after so many.")
    refit_window_events: int = Field(30_000, ge=1, description="Newest events that trainings go over.")
    regression_items: int = Field(
        3_000, ge=1, le=10_000, description="Items that the regressions and item2vec cover; costs their cube."
    )
    drift_window_events: int = Field(2_000, ge=100)
    drift_ratio: float = Field(
        1.3, gt=1, description="Loss over its long-run mean at which the last good weights come back."
    )


class FilterRangeSettings(_Section):
    """A number from ``min`` to ``max``, both included."""

    min: FiniteFloat | None = None
    max: FiniteFloat | None = None

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a range needs `min` or `max`")
        return self


FilterScalar = StrictBool | StrictInt | StrictFloat | StrictStr
FilterSetting = FilterScalar | tuple[FilterScalar, ...] | FilterRangeSettings
"""As in a recommendation request: a value, several of which one must be equal, or a range."""


class RuleSettings(_Section):
    """Items that match ``filter`` are pinned to the top, boosted or buried by ``amount`` of score."""

    filter: dict[str, FilterSetting] = Field(min_length=1)
    effect: Literal["pin", "boost", "bury"]
    amount: FiniteFloat = Field(0.0, ge=0, description="Of score standard deviations; not for `pin`.")

    @model_validator(mode="after")
    def _check_amount(self) -> Self:
        if self.effect == "pin" and self.amount:
            raise ValueError(f"`pin` takes no amount; it has {self.amount}")
        if self.effect != "pin" and not self.amount:
            raise ValueError(f"`{self.effect}` needs an amount above 0")
        return self


class RerankSettings(_Section):
    """What becomes of a ranked list before it is shown."""

    diversity: float = Field(
        0.0, ge=0, le=1, description="Weight of distances between a list's items beside their scores."
    )
    diversity_by: tuple[str, ...] = Field(
        (),
        description="Attributes that make two items alike where they share a value; none: content does.",
    )
    max_per_attribute: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict, description="Attribute → how many items of a list may share a value of it."
    )
    no_repeat_hours: FiniteFloat = Field(
        0.0, ge=0, description="An item shown within so long is not shown again."
    )
    rules: tuple[RuleSettings, ...] = Field(
        (), description="What becomes of items that match a filter: `pin`, `boost` or `bury`."
    )
    new_item_slots: int = Field(2, ge=0, le=20, description="Places of a list of 20 kept for new items.")
    new_item_margin: float | None = Field(
        None,
        ge=0,
        description="A place is kept only for an item whose score lacks no more than this. None: for any.",
    )
    new_item_events: int = Field(5, ge=1, description="An item with fewer positive events is new.")
    exploration: Literal["none", "epsilon", "softmax"] = Field(
        "none", description="How chance takes part: at some places, or at each by score."
    )
    epsilon: float = Field(0.05, ge=0, le=1, description="Share of places that `epsilon` fills at random.")
    temperature: FiniteFloat = Field(
        0.1, ge=1e-3, description="Of `softmax`, in score standard deviations: more is more at random."
    )
    uncertainty: FiniteFloat = Field(
        0.0,
        ge=0,
        description="What `softmax` adds for an item without positive events, in score standard deviations.",
    )
    exploration_candidates: int = Field(
        100, ge=1, le=2_000, description="Of those not listed yet, the best so many may be explored."
    )


class ArmSettings(_Section):
    """One arm: its share of people, and what differs for them from the settings of all."""

    share: float = Field(gt=0, le=1)
    recommend: dict[str, Any] = Field(default_factory=dict, description="Over `recommend`.")
    sources: dict[str, Any] = Field(default_factory=dict, description="Over `sources`.")
    rerank: dict[str, Any] = Field(default_factory=dict, description="Over `rerank`.")


CONTROL_ARM = "control"


class ExperimentSettings(_Section):
    """The experiment that runs: people are hashed into its arms. None runs where it has no arms."""

    name: str = Field("", max_length=256, description="Every list carries it, with the arm's name.")
    salt: str = Field(
        "", description="Another salt shuffles people anew. Where it is empty, the name is the salt."
    )
    arms: dict[Annotated[str, Field(min_length=1, max_length=256)], ArmSettings] = Field(
        default_factory=dict,
        description="Name → `share` of people, and tables `recommend`, `sources`, `rerank` of what differs; "
        "the rest of the people are the arm `control`.",
    )

    @model_validator(mode="after")
    def _check_arms(self) -> Self:
        if self.arms and not self.name:
            raise ValueError("an experiment with arms needs a `name`")
        if CONTROL_ARM in self.arms:
            raise ValueError(
                f"the arm `{CONTROL_ARM}` is made of all who are in no other: name yours otherwise"
            )
        shares = math.fsum(arm.share for arm in self.arms.values())
        # Shares such as ten times 0.1 may sum to a little more.
        if shares > 1 + 1e-9:
            raise ValueError(f"the shares of the arms sum to {shares:g}; they may sum to 1 at most")
        return self


class JoinSettings(_Section):
    """How lists shown are joined with what people did."""

    window_hours: float = Field(
        24.0, gt=0, description="An event later than this after its list is not joined."
    )
    lists_per_user: int = Field(20, ge=1, le=1_000, description="Lists of a person that wait for events.")
    wait_s: float = Field(
        10.0, gt=0, description="For so long an event waits for its list, where no newer lists come either."
    )
    conversions: tuple[str, ...] = Field(("purchase",), description="Actions that count as conversions.")
    report_days: int = Field(30, ge=1, description="For how long daily counts of outcomes are kept.")
