"""Settings of the cascade: sources of candidates, ranking that learns, re-ranking, experiments, joins."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MEBIBYTE = 1 << 20


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InteractionSettings(_Section):
    """What recommend and learn workers remember, in memory, of what people did with which items."""

    max_items: int = Field(200_000, ge=1, description="Beyond, the items used longest ago are forgotten.")
    neighbours: int = Field(128, ge=1, le=4_096, description="Co-visited items kept for each item, at most.")
    memory_bytes: int = Field(
        256 * MEBIBYTE, ge=MEBIBYTE, description="For all neighbours; fewer are kept where it is short."
    )
    recent_entries: int = Field(
        50, ge=1, le=1_000, description="Of a history, those that pair with a new one."
    )
    replay_events: int = Field(
        100_000, ge=0, description="Newest events of all histories from which a starting worker builds this."
    )


class SourceSettings(_Section):
    """How many candidates each source may give; 0 switches it off."""

    interests: int = Field(100, ge=0, le=2_000)
    covisitation: int = Field(200, ge=0, le=2_000)
    item2vec: int = Field(50, ge=0, le=2_000)
    sequence: int = Field(100, ge=0, le=2_000)
    trending: int = Field(60, ge=0, le=2_000)
    new_items: int = Field(30, ge=0, le=2_000)
    own_items: int = Field(20, ge=0, le=2_000, description="The person's own that may repeat.")


class LearnSettings(_Section):
    """How the ranker learns from what people do."""

    objectives: dict[str, float] = Field(
        default_factory=dict,
        description="Action → how much it counts as a target; others count by their positive weight.",
    )
    step_size: float = Field(0.002, gt=0, le=1)
    max_step: float = Field(0.05, gt=0, description="The most that one event moves any weight by.")
    publish_events: int = Field(50, ge=1, description="Weights are published after so many events …")
    publish_s: float = Field(2.0, gt=0, description="… or after so long, where any were learned.")
    refit_events: int = Field(2_500, ge=1, description="Models of sources are refitted after so many events.")
    drift_window_events: int = Field(2_000, ge=100)
    drift_ratio: float = Field(
        1.3, gt=1, description="Loss over its long-run mean at which the last good weights come back."
    )


class RuleSettings(_Section):
    """Items that match ``filter`` are pinned to the top, boosted or buried by ``amount`` of score."""

    filter: dict[str, Any]
    effect: Literal["pin", "boost", "bury"]
    amount: float = Field(0.0, ge=0, description="Of score standard deviations; not for `pin`.")


class RerankSettings(_Section):
    """What becomes of a ranked list before it is shown."""

    diversity: float = Field(
        0.0, ge=0, le=1, description="Share of maximal marginal relevance that is novelty."
    )
    max_per_attribute: dict[str, int] = Field(
        default_factory=dict, description="Attribute → how many items of a list may share a value of it."
    )
    no_repeat_hours: float = Field(0.0, ge=0, description="An item shown within so long is not shown again.")
    rules: tuple[RuleSettings, ...] = ()
    new_item_slots: int = Field(0, ge=0, le=100, description="Places of a list of 20 kept for new items.")
    new_item_events: int = Field(5, ge=1, description="An item with fewer positive events is new.")
    exploration: Literal["none", "epsilon", "thompson"] = "none"
    epsilon: float = Field(0.05, ge=0, le=1, description="Share of places that `epsilon` fills at random.")
    exploration_candidates: int = Field(100, ge=1, le=2_000)


class ArmSettings(_Section):
    """One arm: its share of people, and what differs for them from the settings of all."""

    share: float = Field(gt=0, le=1)
    recommend: dict[str, Any] = Field(default_factory=dict, description="Over `recommend`.")
    sources: dict[str, Any] = Field(default_factory=dict, description="Over `sources`.")
    rerank: dict[str, Any] = Field(default_factory=dict, description="Over `rerank`.")


class ExperimentSettings(_Section):
    """The experiment that runs: people are hashed into its arms. None runs where it has no arms."""

    name: str = Field("", max_length=256)
    salt: str = Field("", description="Another salt shuffles people anew.")
    arms: dict[str, ArmSettings] = Field(default_factory=dict)


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
