"""Settings of explanations: which lists get words, and who writes them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ExplainSettings(BaseModel):
    """Which lists get words, and who writes them. A request with `explain` always asks for them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sample_share: float = Field(
        0.0, ge=0, le=1, description="Of the lists that do not ask for words, the share that gets them."
    )
    generator: Literal["template", "language_model"] = Field(
        "template", description="`language_model`: see that section; templates take over where it cannot."
    )
    language: Literal["en", "de", "zh"] = "en"
    max_characters: int = Field(240, ge=80, le=4_096, description="Of the words for one item.")
    max_items: int = Field(
        50, ge=1, le=500, description="Of a list, those that get words, from the first on."
    )
    attributes: tuple[str, ...] = Field(
        ("category", "genre", "genres", "tags", "brand", "author", "artist"),
        description="Attributes of items that words may mention.",
    )
    backlog_lists: int = Field(
        1_000,
        ge=1,
        le=10_000,
        description="Lists that wait for words, and at most half of `worker.max_in_flight_records`; "
        "beyond, some are skipped.",
    )
    max_list_age_s: float = Field(300.0, gt=0, description="An older list gets no words any more.")
    max_wait_s: float = Field(
        20.0,
        gt=0,
        description="A list that waits longer is skipped. With `language_model.list_timeout_s`, less than "
        "`worker.stall_timeout_s`.",
    )
    concurrency: int = Field(8, ge=1, le=256, description="Lists that are worked on at a time.")
    catalogue_items: int = Field(
        200_000,
        ge=1,
        description="Titles in memory; beyond, those that changed longest ago are dropped.",
    )
