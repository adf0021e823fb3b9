"""Settings of privacy: what is kept of those who asked to be forgotten."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class PrivacySettings(BaseModel):
    """What is kept of people who asked to be forgotten. The same for every worker and `freshet forget`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hash_key: SecretStr = Field(
        SecretStr(""),
        description="Of the hash by which an erasure is remembered. Without one, whoever can guess a user's "
        "id can tell that they were forgotten. Keep it: with another key, erasures before it are not known.",
    )
    later_events: Literal["afresh", "drop"] = Field(
        "afresh",
        description="What becomes of events that a person causes after their erasure: a new profile, or "
        "nothing.",
    )
