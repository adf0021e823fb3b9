"""Settings of asking in words: the `query` of recommendation requests."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class QuerySettings(BaseModel):
    """How recommend workers read what requests ask for in words.

    How much it counts beside the profile is `recommend.query_weight`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(
        True, description="A recommend worker loads the text encoder at the first request with words."
    )
    max_characters: int = Field(500, ge=16, le=4_096, description="Of the words; what is beyond is not read.")
    cache_entries: int = Field(1_000, ge=0, description="Words whose vectors a worker keeps.")
    negations: Literal["stated", "language_model"] = Field(
        "stated",
        description="What becomes of “no vocals”: `stated` says in the answer that it is not understood; "
        "`language_model` has the endpoint of that section tell it from what is wanted.",
    )
    timeout_ms: float = Field(
        2_000.0, gt=0, le=60_000, description="For the language model; then negations are not understood."
    )
