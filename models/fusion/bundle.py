"""What the manifest of a trained fusion says, and how it is read.

A bundle is a folder: ``manifest.json`` and the ONNX graph that it names. Unknown fields are ignored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from models.encoders.manifest import (
    GraphEntry,
    Modality,
    Positive,
    Sha256,
    read_bundle_manifest,
    write_bundle_manifest,
)


class FusionInput(Struct, frozen=True, kw_only=True):
    """One modality's columns of the graph's input: its encoder by name and hash, and its dimension."""

    modality: Modality
    encoder: str
    encoder_sha256: Sha256
    dimension: Positive


class FusionSample(Struct, frozen=True, kw_only=True):
    """What the fusion makes of an item, stated by who trained it.

    Vectors are base64 of little-endian float32.

    Attributes:
        features: Modality → a unit vector of its encoder's dimension; any subset.
        vector: The fused vector, of unit length.
    """

    features: Annotated[dict[Modality, bytes], Meta(min_length=1)]
    vector: Annotated[bytes, Meta(min_length=4)]


class FusionManifest(Struct, frozen=True, kw_only=True):
    """A trained fusion.

    Attributes:
        version: Of this format.
        kind: Tells it from the bundle of a user model.
        method: How it fuses: concat, gated, attention or cascade.
        dimension: Of a fused vector.
        inputs: In the order of the graph's columns.
        graph: Inputs ``features`` and ``present``, output ``fused``.
        data_sha256: Fingerprint of the interactions and features that it learned from.
        settings: How it learned.
        metrics: What it reached on validation, by name; what ends in "in use" the fusion did that it was
            compared with.
        compared_with: The space of that fusion; "" where there was none to compare with.
        seed: Of everything random in training.
        samples: By which whoever loads it sees that it computes what it did where it was trained.
    """

    version: Literal[1] = 1
    kind: Literal["fusion"] = "fusion"
    method: str
    dimension: Positive
    inputs: Annotated[tuple[FusionInput, ...], Meta(min_length=1, max_length=4)]
    graph: GraphEntry
    data_sha256: Sha256
    settings: dict[str, float | int | str] = {}
    metrics: dict[str, float] = {}
    compared_with: str = ""
    seed: int = 0
    samples: Annotated[tuple[FusionSample, ...], Meta(max_length=64)] = ()

    @property
    def space(self) -> str:
        """The vector space: the method and 8 hex digits of the graph's hash."""
        return f"{self.method}-{self.graph.sha256[:8]}"


def read_fusion_manifest(folder: Path) -> FusionManifest:
    """The manifest in a folder.

    Raises:
        ManifestError: It is not there, too large, or not what a manifest is.
    """
    return read_bundle_manifest(folder, FusionManifest, "a fusion", "freshet train fusion")


def write_fusion_manifest(manifest: FusionManifest, folder: Path) -> None:
    """Writes it beside its graph."""
    write_bundle_manifest(manifest, folder)
