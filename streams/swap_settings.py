"""Settings of models that are brought into a running stream."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class ModelSettings(BaseModel):
    """Bundles of models that are announced while workers run; see the guide on models."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path | None = Field(
        None,
        description="Where `freshet models announce` puts bundles, and workers may read them; on several "
        "machines a folder that they share. Without: `models` in the folder of `freshet up`'s data.",
    )
    allowed_uris: tuple[str, ...] = Field(
        (),
        description="Under which URIs bundles may lie besides that folder, such as `s3://our-models`. "
        "Whoever may write there chooses what workers compute.",
    )
    max_bundle_bytes: int = Field(512 << 20, ge=1)
    min_vector_share: float = Field(
        0.95,
        ge=0,
        le=1,
        description="Of the items that have a vector, so many must have one in the new space as well; else "
        "the bundle is refused.",
    )
    build_share: float = Field(
        0.5, gt=0, le=1, description="Of a core, what making the vectors of a new space takes at most."
    )
    report_s: float = Field(
        1.0,
        gt=0,
        le=10,
        description="How often a worker says what it is ready for. One silent for ten is gone.",
    )
