"""A manifest says exactly what may be loaded; anything else is refused with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.encoders import ImageManifest, load_encoder, read_manifest
from models.encoders.manifest import decode_manifest, encode_manifest
from models.errors import GraphError, ManifestError
from tests.unit.encoders.tiny_encoders import flatten_model, image_manifest, write_manifest
from tests.unit.encoders.tiny_onnx import (
    constant_node,
    external_tensor,
    graph,
    node,
    subgraph_node,
    tensor_cast,
)


def rewrite(folder: Path, model: bytes | None = None, **changes: Any) -> Path:
    if model is not None:
        (folder / "model.onnx").write_bytes(model)
    return write_manifest(folder, image_manifest(folder, **changes))


def test_a_valid_manifest_loads_and_unknown_fields_are_ignored(tiny_folder: Path) -> None:
    rewrite(tiny_folder, a_field_of_the_future={"x": 1})
    manifest = read_manifest(tiny_folder)
    assert isinstance(manifest, ImageManifest)
    assert manifest.modality == "image"
    assert load_encoder(tiny_folder).dimension == 12


def test_a_manifest_survives_writing_and_reading(tiny_folder: Path) -> None:
    quality = {"linear_probe_test": {"value": 0.5, "dataset": "some set, split test"}}
    manifest = read_manifest(rewrite(tiny_folder, quality=quality))
    again = decode_manifest(encode_manifest(manifest), "again")
    assert again == manifest
    assert again.quality["linear_probe_test"].value == 0.5


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"modality": "smell"}, "smell"),
        ({"dimension": 0}, "dimension"),
        ({"dimension": "12"}, "dimension"),
        ({"name": "../up"}, "name"),
        ({"licence": ""}, "licence"),
        ({"output_mean": [0.0]}, "output_mean"),
        ({"preprocessing": {"size_px": -1}}, "size_px"),
        ({"preprocessing": {"size_px": 2, "layout": "whc"}}, "layout"),
        ({"graph": None}, "graph"),
    ],
)
def test_a_wrong_field_is_named(tiny_folder: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ManifestError, match=named):
        read_manifest(rewrite(tiny_folder, **changes))


@pytest.mark.parametrize("name", ["../model.onnx", "/etc/passwd", "a/b.onnx", "..", ""])
def test_a_file_outside_the_folder_cannot_be_named(tiny_folder: Path, name: str) -> None:
    entry = image_manifest(tiny_folder)["graph"] | {"file": name}
    with pytest.raises(ManifestError, match="file"):
        read_manifest(rewrite(tiny_folder, graph=entry))


def test_no_json_and_no_manifest(tiny_folder: Path, tmp_path: Path) -> None:
    (tiny_folder / "manifest.json").write_text("{")
    with pytest.raises(ManifestError, match="not valid JSON"):
        read_manifest(tiny_folder)
    with pytest.raises(ManifestError, match=r"No readable manifest"):
        read_manifest(tmp_path / "nowhere")


def test_another_file_of_the_same_size_is_refused(tiny_folder: Path) -> None:
    path = tiny_folder / "model.onnx"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ManifestError, match="sha256"):
        load_encoder(tiny_folder)


def test_a_file_of_another_size_or_none_is_refused(tiny_folder: Path) -> None:
    path = tiny_folder / "model.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ManifestError, match="bytes"):
        load_encoder(tiny_folder)
    path.unlink()
    with pytest.raises(ManifestError, match="cannot be read"):
        load_encoder(tiny_folder)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"dimension": 13}, "dimension"),
        ({"preprocessing": {"size_px": 3, "layout": "nhwc", "dtype": "uint8"}}, "image"),
        ({"preprocessing": {"size_px": 2, "layout": "nhwc", "dtype": "float32"}}, "tensor"),
    ],
)
def test_a_graph_of_another_shape_is_refused(tiny_folder: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(GraphError, match=named):
        load_encoder(rewrite(tiny_folder, **changes))


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"inputs": ["picture"]}, "inputs"), ({"output": "vector"}, "output"), ({"opset": 16}, "opset")],
)
def test_names_and_opset_are_checked(tiny_folder: Path, changes: dict[str, Any], named: str) -> None:
    entry = image_manifest(tiny_folder)["graph"] | changes
    with pytest.raises(GraphError, match=named):
        load_encoder(rewrite(tiny_folder, graph=entry))


FOREIGN = node("Secret", ["floats"], ["embedding"], domain="com.example")


@pytest.mark.parametrize("where", ["graph", "subgraph"])
def test_custom_operators_are_refused(tiny_folder: Path, where: str) -> None:
    nodes = [tensor_cast("image", "floats"), FOREIGN if where == "graph" else subgraph_node(graph([FOREIGN]))]
    data = flatten_model(nodes=nodes, opsets=[("", 17), ("com.example", 1)])
    with pytest.raises(GraphError, match=r"com\.example.*custom operators"):
        load_encoder(rewrite(tiny_folder, data))


@pytest.mark.parametrize("where", ["initializer", "constant", "subgraph"])
def test_tensors_in_other_files_are_refused(tiny_folder: Path, where: str) -> None:
    tensor = external_tensor("weights")
    nodes = [tensor_cast("image", "floats"), node("Flatten", ["floats"], ["embedding"])]
    if where == "constant":
        data = flatten_model(nodes=[*nodes, constant_node("weights", tensor)])
    elif where == "subgraph":
        data = flatten_model(nodes=[*nodes, subgraph_node(graph([], [tensor]))])
    else:
        data = flatten_model(nodes=nodes, tensors=[tensor])
    (tiny_folder / "elsewhere.bin").write_bytes(bytes(4))
    with pytest.raises(GraphError, match="other files"):
        load_encoder(rewrite(tiny_folder, data))


@pytest.mark.parametrize("data", [b"", b"no model", b"\xff" * 40, b"\x3a\x7f", b"\x00\x00"])
def test_what_is_no_onnx_model_is_refused(tiny_folder: Path, data: bytes) -> None:
    with pytest.raises(ManifestError, match=r"not an ONNX model|size_bytes"):
        load_encoder(rewrite(tiny_folder, data))


def test_a_model_cut_short_anywhere_is_refused(tiny_folder: Path) -> None:
    whole = flatten_model()
    for length in range(1, len(whole) - 1):
        with pytest.raises(ManifestError):
            load_encoder(rewrite(tiny_folder, whole[:length]))


def test_a_network_that_gives_nan_is_refused(tiny_folder: Path) -> None:
    nodes = [
        tensor_cast("image", "floats"),
        node("Sub", ["floats", "floats"], ["zeros"]),
        node("Div", ["zeros", "zeros"], ["nan"]),
        node("Flatten", ["nan"], ["embedding"]),
    ]
    with pytest.raises(GraphError, match="sample"):
        load_encoder(rewrite(tiny_folder, flatten_model(nodes=nodes)))


def test_the_output_mean_is_taken_away(tiny_folder: Path) -> None:
    image = np.full((2, 2, 3), 9, np.uint8)
    image[0, 0, 0] = 19
    encoder = load_encoder(rewrite(tiny_folder, output_mean=[9.0] * 12))
    expected = np.zeros(12)
    expected[0] = 1
    assert encoder.encode([image])[0] == pytest.approx(expected)
    # an item at the mean itself is near to nothing
    assert not encoder.encode([np.full((2, 2, 3), 9, np.uint8)]).any()


def test_the_mean_of_a_sample_is_the_output_mean_to_be(tiny_folder: Path) -> None:
    images = [np.full((2, 2, 3), value, np.uint8) for value in (0, 10, 20)]
    # the black one says nothing: its output is zeros
    assert load_encoder(tiny_folder).mean_output(images) == pytest.approx(np.full(12, 15.0))
    assert load_encoder(rewrite(tiny_folder, output_mean=[5.0] * 12)).mean_output(
        images[1:]
    ) == pytest.approx(np.full(12, 15.0))
    assert not load_encoder(rewrite(tiny_folder)).mean_output(images[:1]).any()


def test_a_manifest_that_is_a_list(tiny_folder: Path) -> None:
    (tiny_folder / "manifest.json").write_text(json.dumps([1]))
    with pytest.raises(ManifestError):
        read_manifest(tiny_folder)
