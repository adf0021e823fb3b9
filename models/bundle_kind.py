"""Which kind of model a bundle holds, by its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec import Struct

from models.encoders.manifest import read_bundle_manifest
from models.fusion.bundle import FusionManifest, read_fusion_manifest
from models.user.bundle import UserModelManifest, read_user_manifest

BundleKind = Literal["fusion", "user_model"]


class _Kind(Struct, frozen=True, kw_only=True):
    """``history_entries`` is of user models alone, and tells those of before there were kinds."""

    kind: BundleKind | None = None
    history_entries: int | None = None


def bundle_kind(folder: Path) -> BundleKind:
    """The kind of the model in a folder.

    Raises:
        ManifestError: It is not there, too large, or no manifest.
    """
    found = read_bundle_manifest(folder, _Kind, "a model", "freshet train")
    return found.kind or ("fusion" if found.history_entries is None else "user_model")


def read_manifest(folder: Path) -> FusionManifest | UserModelManifest:
    """The manifest of the model in a folder, of either kind; raises as `bundle_kind`."""
    return read_fusion_manifest(folder) if bundle_kind(folder) == "fusion" else read_user_manifest(folder)
