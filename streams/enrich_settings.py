"""Settings of the enrichment of items by a language model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class EnrichSettings(BaseModel):
    """Tags, mood and audience of items, from their text by a language model (`language_model`).

    They become the attributes `model_tags`, `model_mood` and `model_audience`. No item waits for them: it
    goes on as it came, and what the model says of it follows as an update.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(False, description="In text workers; needs a language model.")
    in_text: bool = Field(
        True, description="The text encoder reads what the model says beside title and description."
    )
    moods: tuple[str, ...] = Field(
        ("calm", "cheerful", "dark", "exciting", "funny", "melancholic", "romantic", "tense"),
        description="What a mood may be; the model chooses among them.",
    )
    audiences: tuple[str, ...] = Field(
        ("children", "teenagers", "adults", "families", "beginners", "experts"),
        description="What an audience may be, likewise.",
    )
    max_tags: int = Field(8, ge=0, le=64, description="Tags are words of the item's own text.")
    timeout_s: float = Field(30.0, gt=0, le=600, description="Then the item stays as it came.")
    max_characters: int = Field(1_000, ge=16, le=16_384, description="Of an item's text, for the model.")
    backlog_items: int = Field(
        10_000,
        ge=1,
        description="Items that wait for the model in a worker, with their titles, texts and attributes; "
        "beyond, they stay as they came.",
    )
    cache_entries: int = Field(20_000, ge=0, description="Texts whose enrichment a worker keeps.")
