"""Encoders made on the spot: tiny ONNX files, written byte by byte, with a manifest beside each."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.unit.encoders.tiny_onnx import FLOAT, UINT8, model, node, tensor_cast, value_info

SIDE = 2


def graph_entry(path: Path, inputs: list[str], output: str, opset: int = 17) -> dict[str, Any]:
    data = path.read_bytes()
    return {
        "file": path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "opset": opset,
        "inputs": inputs,
        "output": output,
    }


def write_manifest(folder: Path, manifest: dict[str, Any]) -> Path:
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def image_manifest(folder: Path, **changes: Any) -> dict[str, Any]:
    """The manifest of the tiny encoder in ``folder``, with ``changes`` to its top level."""
    return {
        "modality": "image",
        "name": "tiny",
        "dimension": 12,
        "source": "this test",
        "licence": "Apache-2.0",
        "graph": graph_entry(folder / "model.onnx", ["image"], "embedding"),
        "preprocessing": {"size_px": SIDE, "layout": "nhwc", "dtype": "uint8"},
    } | changes


def flatten_model(**changes: Any) -> bytes:
    """uint8 pixels [batch, 2, 2, 3], cast to float and flattened: an "embedding" of 12 numbers."""
    parts: dict[str, Any] = {
        "nodes": [
            tensor_cast("image", "floats"),
            node("Flatten", ["floats"], ["embedding"]),
        ],
        "inputs": [value_info("image", UINT8, ["batch", SIDE, SIDE, 3])],
        "outputs": [value_info("embedding", FLOAT, ["batch", 12])],
    }
    return model(**(parts | changes))
