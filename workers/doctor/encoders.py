"""Encoders: manifests, files against their sha256, and a run of each network in use."""

from __future__ import annotations

from collections.abc import Iterator

from models.encoders.registry import EncoderRegistry
from models.errors import ModelError
from streams.settings import Settings
from workers.doctor.check import Check
from workers.encoders_in_use import encoder_registry, encoders_in_use

AREA = "encoders"


def check_encoders(settings: Settings) -> Iterator[Check]:
    """Load the encoders in use, which compares their files with the manifests and runs them once."""
    try:
        registry = encoder_registry(settings)
    except ModelError as error:
        yield Check(AREA, "fail", error.detail, "correct `encoders.folders`, or what lies there")
        return
    for modality, name in encoders_in_use(settings).items():
        problem = encoder_problem(registry, name)
        if problem is not None:
            yield Check(AREA, "fail", problem, f"mend it, or name another in `encoders.{modality}`")
            continue
        manifest = registry.manifest(name)
        if manifest.modality != modality:
            yield Check(
                AREA,
                "fail",
                f"`encoders.{modality}` names {name}, which encodes {manifest.modality}",
                f"name an encoder of {modality}: {', '.join(registry.names(modality)) or 'there is none'}",
            )
            continue
        yield Check(AREA, "ok", f"{modality}: {name}, {manifest.dimension} numbers a vector")


def encoder_problem(registry: EncoderRegistry, name: str) -> str | None:
    """What is wrong with an encoder; None where it loads and works."""
    try:
        registry.get(name)
    except ModelError as error:
        return error.detail
    return None
