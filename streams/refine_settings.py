"""Settings of lists that a language model puts in another order."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RefineSettings(BaseModel):
    """The first items of a list in the order that a language model gives, where a request has `refine`.

    Lists for events are never refined, and nothing is where this is off. The model is told titles and
    attributes of items, and what the person has chosen: `language_model.personal_fields` must have
    `past_items`. Who has chosen nothing, and lists for words or seed items, it is not asked about.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(
        False, description="Needs a language model, and holds titles in each recommend worker."
    )
    items: int = Field(
        20,
        ge=2,
        le=50,
        description="Of a list, those that are put in order; "
        "`language_model.max_tokens` must have room for the answer, five tokens an item.",
    )
    past_items: int = Field(10, ge=0, le=100, description="Of the person's choices, those that are told.")
    timeout_ms: float = Field(
        1_500.0,
        gt=0,
        le=60_000,
        description="Then the list goes out as it was made, and after half of what a `deadline` leaves.",
    )
    attributes: tuple[str, ...] = Field(
        ("category", "genre", "genres", "tags", "brand", "author", "artist"),
        description="Attributes of items that the model is told.",
    )
    catalogue_items: int = Field(200_000, ge=1, description="Titles in memory of each recommend worker.")

    @property
    def answer_tokens(self) -> int:
        """Tokens of an order of so many items, at most: two digits, two quotes and a comma are five."""
        return 5 * self.items + 16
