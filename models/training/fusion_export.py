"""A trained fusion as an ONNX graph that the fuse role runs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
import torch

from models.encoders.manifest import GraphEntry
from models.errors import TrainingError
from models.onnx_runtime import ort
from models.training.common import OPSET, save_graph
from models.training.fusion_networks import FusionNetwork

MIN_COSINE = 0.9999
_CHECKED_ITEMS = 64


def export_fusion(network: FusionNetwork, path: Path, seed: int = 0) -> tuple[GraphEntry, float]:
    """Write ``features`` float32 [n, Σ d_m], ``present`` float32 [n, modalities] → ``fused`` [n, dimension].

    Returns:
        The manifest's entry, and the least cosine between PyTorch's and ONNX Runtime's vectors over every
        subset
        of modalities of 64 random items.

    Raises:
        TrainingError: The least cosine is under 0.9999.
    """
    network.cpu().eval()
    width = sum(network.widths)
    example = (torch.zeros(2, width), torch.ones(2, len(network.modalities)))
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.onnx.export(
        network,
        example,
        buffer,
        input_names=["features", "present"],
        output_names=["fused"],
        dynamic_axes={"features": {0: "batch"}, "present": {0: "batch"}, "fused": {0: "batch"}},
        opset_version=OPSET,
        dynamo=False,
    )
    entry = save_graph(onnx.load_from_string(buffer.getvalue()), path)
    cosine = agreement(network, path, seed)
    if cosine < MIN_COSINE:
        raise TrainingError(f"{path} gives other vectors than PyTorch: the least cosine is {cosine:.6f}")
    return entry, cosine


def agreement(network: FusionNetwork, path: Path, seed: int = 0) -> float:
    """The least cosine of PyTorch's and ONNX Runtime's vectors; see `export_fusion`."""
    random = np.random.default_rng(seed)
    count = len(network.modalities)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    least = 1.0
    for subset in range(1, 2**count):
        features = random.standard_normal((_CHECKED_ITEMS, sum(network.widths))).astype(np.float32)
        present = np.tile([float(subset >> index & 1) for index in range(count)], (_CHECKED_ITEMS, 1))
        present = present.astype(np.float32)
        with torch.no_grad():
            ours = network(torch.from_numpy(features), torch.from_numpy(present)).numpy()
        (theirs,) = session.run(["fused"], {"features": features, "present": present})
        lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
        least = min(least, float(((ours * theirs).sum(1) / np.maximum(lengths, 1e-12)).min()))
    return least
