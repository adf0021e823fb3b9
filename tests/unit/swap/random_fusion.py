"""A fusion of random weights as a bundle: another vector space, without training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.encoders.manifest import GraphEntry
from models.fusion import EncoderSpec
from models.fusion.bundle import FusionInput, FusionManifest, FusionSample, write_fusion_manifest
from models.fusion.canary import make_samples, random_items
from models.fusion.interface import Modality
from models.fusion.trained import TrainedFusion
from tests.unit.encoders.tiny_onnx import FLOAT, message, model, node, number, value_info

GRAPH_FILE = "model.onnx"
OPSET = 17


def write_bundle(
    folder: Path, specs: Mapping[Modality, EncoderSpec], *, dimension: int = 32, seed: int = 0
) -> FusionManifest:
    """Write a bundle that fuses by a random matrix; its samples are what it computes.

    Args:
        specs: The encoders that it takes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    inputs = tuple(
        FusionInput(
            modality=modality, encoder=spec.name, encoder_sha256=spec.sha256, dimension=spec.dimension
        )
        for modality, spec in specs.items()
    )
    width = sum(one.dimension for one in inputs)
    weights = np.random.default_rng(seed).normal(size=(width, dimension)).astype("<f4")
    data = model(
        [
            node("MatMul", ["features", "weights"], ["projected"]),
            node("MatMul", ["present", "nothing"], ["zeros"]),
            node("Add", ["projected", "zeros"], ["fused"]),
        ],
        [
            value_info("features", FLOAT, ["batch", width]),
            value_info("present", FLOAT, ["batch", len(inputs)]),
        ],
        [value_info("fused", FLOAT, ["batch", dimension])],
        [_tensor("weights", weights), _tensor("nothing", np.zeros((len(inputs), dimension), "<f4"))],
        [("", OPSET)],
    )
    (folder / GRAPH_FILE).write_bytes(data)
    manifest = FusionManifest(
        method="random",
        dimension=dimension,
        inputs=inputs,
        graph=GraphEntry(
            file=GRAPH_FILE,
            sha256=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            opset=OPSET,
            inputs=("features", "present"),
            output="fused",
        ),
        data_sha256="0" * 64,
        seed=seed,
    )
    write_fusion_manifest(manifest, folder)
    samples = make_samples(TrainedFusion(folder, specs), random_items(manifest, 1))
    manifest = msgspec.structs.replace(manifest, samples=samples)
    write_fusion_manifest(manifest, folder)
    return manifest


def falsify(folder: Path, manifest: FusionManifest) -> None:
    """Have the manifest state other vectors than the graph computes."""
    negated = tuple(
        FusionSample(features=one.features, vector=(-np.frombuffer(one.vector, "<f4")).tobytes())
        for one in manifest.samples
    )
    write_fusion_manifest(msgspec.structs.replace(manifest, samples=negated), folder)


def _tensor(name: str, values: NDArray[np.float32]) -> bytes:
    sizes = b"".join(number(1, size) for size in values.shape)
    return sizes + number(2, FLOAT) + message(8, name) + message(9, values.tobytes())
