"""What the manifest of a trained user model says, and how it is read.

A bundle is a folder: ``manifest.json`` and the ONNX graph that it names. Unknown fields are ignored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from models.encoders.manifest import (
    GraphEntry,
    NonEmpty,
    Positive,
    Sha256,
    read_bundle_manifest,
    write_bundle_manifest,
)


class UserSample(Struct, frozen=True, kw_only=True):
    """What the model makes of a history, stated by who trained it.

    Base64 of little-endian numbers.

    Attributes:
        vectors: Of the entries, oldest first, float32 [n, dimension].
        weights: float32 [n].
        ages_s: float64 [n].
        vector: The person's, float32 [dimension], of unit length.
    """

    vectors: Annotated[bytes, Meta(min_length=4)]
    weights: Annotated[bytes, Meta(min_length=4)]
    ages_s: Annotated[bytes, Meta(min_length=8)]
    vector: Annotated[bytes, Meta(min_length=4)]


class UserModelManifest(Struct, frozen=True, kw_only=True):
    """A trained sequence model.

    Attributes:
        version: Of this format.
        kind: Tells it from the bundle of a fusion.
        method: How it reads a history.
        space: The vector space of the items that it learned with; it says nothing in any other.
        dimension: Of that space.
        history_entries: It reads so many of the newest.
        graph: Inputs ``vectors`` and ``told``, output ``user``.
        data_sha256: Fingerprint of the histories and vectors that it learned from.
        settings: How it learned.
        metrics: What it and the other user models reached on validation, by name; what ends in "in use" the
            one did that served then.
        compared_with: That one's name; "" where there was none to compare with.
        seed: Of everything random in training.
        samples: By which whoever loads it sees that it computes what it did where it was trained.
    """

    version: Literal[1] = 1
    kind: Literal["user_model"] = "user_model"
    method: Literal["sequence"] = "sequence"
    space: NonEmpty
    dimension: Positive
    history_entries: Annotated[int, Meta(ge=1, le=10_000)]
    graph: GraphEntry
    data_sha256: Sha256
    settings: dict[str, float | int | str] = {}
    metrics: dict[str, float] = {}
    compared_with: str = ""
    seed: int = 0
    samples: Annotated[tuple[UserSample, ...], Meta(max_length=64)] = ()


def read_user_manifest(folder: Path) -> UserModelManifest:
    """The manifest in a folder.

    Raises:
        ManifestError: It is not there, too large, or not what a manifest is.
    """
    return read_bundle_manifest(folder, UserModelManifest, "a user model", "freshet train user-model")


def write_user_manifest(manifest: UserModelManifest, folder: Path) -> None:
    """Writes it beside its graph."""
    write_bundle_manifest(manifest, folder)
