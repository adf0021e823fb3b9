"""A user model as a bundle, without training: a sum of items, weighed by what is told of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.encoders.manifest import GraphEntry
from models.user import UserHistory
from models.user.bundle import UserModelManifest, UserSample, write_user_manifest
from models.user.inputs import COLUMNS, entry_inputs
from tests.unit.encoders.tiny_onnx import FLOAT, message, model, node, number, value_info

GRAPH_FILE = "model.onnx"
OPSET = 17


def write_user_model(
    folder: Path,
    space: str = "here",
    dimension: int = 16,
    *,
    seed: int = 0,
    domain: str = "",
    weighed_by: Mapping[str, float] | None = None,
) -> UserModelManifest:
    """Write a bundle; its sample is what it computes.

    Args:
        weighed_by: By column of what is told of an entry, how it weighs there; None: at random.
        domain: Of one of its operators.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    weights = random.normal(size=(len(COLUMNS), 1)).astype("<f4")
    if weighed_by is not None:
        weights = np.array([[weighed_by.get(name, 0.0)] for name in COLUMNS], "<f4")
    data = model(
        [
            node("MatMul", ["told", "weights"], ["shares"]),
            node("Transpose", ["shares"], ["row"], domain=domain),
            node("MatMul", ["row", "vectors"], ["user"]),
        ],
        [
            value_info("vectors", FLOAT, ["entries", dimension]),
            value_info("told", FLOAT, ["entries", len(COLUMNS)]),
        ],
        [value_info("user", FLOAT, [1, dimension])],
        [_tensor("weights", weights)],
        [("", OPSET), *([(domain, 1)] if domain else [])],
    )
    (folder / GRAPH_FILE).write_bytes(data)
    history = some_history(3, dimension, seed)
    user = (entry_inputs(history.weights, history.ages_s) @ weights)[:, 0] @ history.vectors
    manifest = UserModelManifest(
        space=space,
        dimension=dimension,
        history_entries=50,
        graph=GraphEntry(
            file=GRAPH_FILE,
            sha256=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            opset=OPSET,
            inputs=("vectors", "told"),
            output="user",
        ),
        data_sha256="0" * 64,
        samples=(
            UserSample(
                vectors=history.vectors.tobytes(),
                weights=history.weights.tobytes(),
                ages_s=history.ages_s.tobytes(),
                vector=user.astype("<f4").tobytes(),
            ),
        ),
    )
    write_user_manifest(manifest, folder)
    return manifest


def falsify(folder: Path, manifest: UserModelManifest, **changes: object) -> None:
    """Have the manifest state something else of its sample."""
    (sample,) = manifest.samples
    changed = msgspec.structs.replace(sample, **changes)
    write_user_manifest(msgspec.structs.replace(manifest, samples=(changed,)), folder)


def some_history(entries: int, dimension: int = 16, seed: int = 0) -> UserHistory:
    """Random unit vectors, likes and dislikes, one a minute or so."""
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((entries, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return UserHistory(
        vectors.astype(np.float32),
        random.choice([-1.0, 0.3, 1.0, 2.0], entries).astype(np.float32),
        np.cumsum(random.uniform(1.0, 90.0, entries))[::-1].copy(),
    )


def _tensor(name: str, values: NDArray[np.float32]) -> bytes:
    sizes = b"".join(number(1, size) for size in values.shape)
    return sizes + number(2, FLOAT) + message(8, name) + message(9, values.tobytes())
