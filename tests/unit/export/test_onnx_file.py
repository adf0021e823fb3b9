"""An ONNX file of a person's own, by what its inputs and the files beside it say. Needs no PyTorch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from models.encoders import AudioManifest, EncoderRegistry, ImageManifest, TextManifest, load_encoder
from models.encoders.manifest import AnyManifest
from models.errors import ExportError, GraphError
from models.export.add import add_encoders
from models.export.prepared import AddRequest
from models.export.source import MAX_MODEL_BYTES
from tests.unit.encoders.tiny_encoders import flatten_model
from tests.unit.encoders.tiny_onnx import (
    FLOAT,
    UINT8,
    external_tensor,
    message,
    model,
    node,
    number,
    tensor_cast,
    value_info,
)

INT64 = 7


def add(path: Path, **changes: Any) -> AnyManifest:
    (added,) = add_encoders(AddRequest(source=str(path), out=path.parent / "out", **changes))
    return load_encoder(added.folder).manifest


def written(folder: Path, data: bytes) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(data)
    return path


def int64_tensor(name: str, values: list[int]) -> bytes:
    return (
        number(1, len(values))
        + number(2, INT64)
        + message(8, name)
        + b"".join(number(7, one) for one in values)
    )


def text_model(*, pooled: bool) -> bytes:
    """Token ids and mask to numbers of them: a vector of one number for each token, or their largest."""
    nodes = [
        tensor_cast("ids", "floats"),
        tensor_cast("attention_mask", "present"),
        node("Mul", ["floats", "present"], ["kept"]),
    ]
    if pooled:
        axes = message(5, message(1, "axes") + number(8, 1) + number(20, 7))
        nodes.append(node("ReduceMax", ["kept"], ["embedding"], axes))
        output = value_info("embedding", FLOAT, ["batch", 1])
    else:
        nodes.append(node("Reshape", ["kept", "shape"], ["states"]))
        output = value_info("states", FLOAT, ["batch", "tokens", 1])
    inputs = [value_info(name, INT64, ["batch", "tokens"]) for name in ("attention_mask", "ids")]
    return model(nodes, inputs, [output], [] if pooled else [int64_tensor("shape", [0, 0, 1])])


def tokenizer(folder: Path) -> None:
    made = Tokenizer(WordLevel({"[UNK]": 7, "boots": 4, "bees": 2}, "[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.save(str(folder / "tokenizer.json"))


def test_pictures_by_shape_and_type(tmp_path: Path) -> None:
    manifest = add(written(tmp_path, flatten_model()), name="pixels", licence="MIT")
    assert isinstance(manifest, ImageManifest)
    assert (manifest.name, manifest.licence, manifest.source) == ("pixels", "MIT", "model.onnx")
    assert (manifest.preprocessing.layout, manifest.preprocessing.dtype) == ("nhwc", "uint8")
    assert (manifest.preprocessing.size_px, manifest.dimension) == (2, 12)


def float_pictures() -> bytes:
    return flatten_model(
        nodes=[node("Flatten", ["image"], ["embedding"])],
        inputs=[value_info("image", FLOAT, ["batch", 3, 2, 2])],
    )


def test_pictures_with_the_models_own_configuration(tmp_path: Path) -> None:
    config = {"size": {"shortest_edge": 2}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    manifest = add(written(tmp_path, float_pictures()))
    assert isinstance(manifest, ImageManifest)
    assert (manifest.preprocessing.layout, manifest.preprocessing.std) == ("nchw", (0.25, 0.25, 0.25))


def test_what_cannot_be_known_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, float_pictures())
    with pytest.raises(ExportError, match=r'\{"mean"'):
        add(path)
    manifest = add(path, options={"mean": [0, 0, 0], "std": [1, 1, 1], "fit": "pad"})
    assert isinstance(manifest, ImageManifest)
    assert manifest.preprocessing.fit == "pad"


def test_an_option_that_no_manifest_has(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="`colour`"):
        add(written(tmp_path, flatten_model()), options={"colour": "red"})


def test_text_whose_graph_pools(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 77}')
    manifest = add(written(tmp_path, text_model(pooled=True)), name="words")
    assert isinstance(manifest, TextManifest)
    assert manifest.graph.inputs == ("ids", "attention_mask")
    assert (manifest.preprocessing.max_tokens, manifest.preprocessing.pooling) == (77, "none")


def test_text_with_a_vector_for_each_token(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    path = written(tmp_path, text_model(pooled=False))
    with pytest.raises(ExportError, match=r'\{"pooling": "mean"\}'):
        add(path)
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    manifest = add(path)
    assert isinstance(manifest, TextManifest)
    assert manifest.preprocessing.pooling == "first"


def test_text_without_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"tokenizer\.json"):
        add(written(tmp_path, text_model(pooled=True)))


def test_sound(tmp_path: Path) -> None:
    nodes = [node("Identity", ["samples"], ["embedding"])]
    data = model(
        nodes, [value_info("samples", FLOAT, ["batch", 8])], [value_info("embedding", FLOAT, ["batch", 8])]
    )
    path = written(tmp_path, data)
    with pytest.raises(ExportError, match="sample_rate_hz"):
        add(path)
    manifest = add(path, options={"sample_rate_hz": 8_000})
    assert isinstance(manifest, AudioManifest)
    assert (manifest.preprocessing.window_samples, manifest.preprocessing.hop_samples) == (8, 8)


def test_it_is_found_by_the_folder_it_was_put_in(tmp_path: Path) -> None:
    add(written(tmp_path, flatten_model()), name="pixels")
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    vector = EncoderRegistry([tmp_path / "out"]).get("pixels").encode([picture])[0]
    assert vector == pytest.approx(np.arange(12) / np.linalg.norm(np.arange(12)), abs=1e-6)


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path, flatten_model())
    add(path, name="pixels")
    for name in ("pixels", "image-cnn-64"):
        with pytest.raises(ExportError, match="--name"):
            add(path, name=name)
    with pytest.raises(ExportError, match="'my-pixels' can"):
        add(path, name="My pixels!")


def test_what_it_takes_is_not_for_a_person_to_say(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"takes image .* not audio"):
        add(written(tmp_path, flatten_model()), modality="audio")


def test_an_encoder_is_not_put_into_another(tmp_path: Path) -> None:
    path = written(tmp_path, flatten_model())
    add(path, name="pixels")
    with pytest.raises(ExportError, match="is an encoder itself"):
        add_encoders(AddRequest(source=str(path), out=tmp_path / "out" / "pixels", name="inner"))


HUGE = [
    tensor_cast("image", "floats"),
    node("Flatten", ["floats"], ["flat"]),
    node("Shape", ["flat"], ["shape"]),
    node("Mul", ["shape", "shape"], ["large"]),
    node("Mul", ["large", "large"], ["larger"]),
    node("Mul", ["larger", "larger"], ["largest"]),
    node("Mul", ["largest", "larger"], ["absurd"]),
    node("ConstantOfShape", ["absurd"], ["zeros"]),
    node("ReduceSum", ["zeros"], ["nothing"]),
    node("Add", ["flat", "nothing"], ["embedding"]),
]


@pytest.mark.parametrize(
    ("data", "error", "named"),
    [
        (b"", GraphError, "not an ONNX model"),
        (b"\x80\x04\x95pickle", GraphError, "not an ONNX model"),
        (flatten_model(opsets=[("", 99)]), GraphError, "cannot load"),
        (flatten_model(opsets=[("com.example", 1)]), GraphError, "no opset"),
        (
            flatten_model(
                nodes=[node("Secret", ["image"], ["embedding"], domain="com.example")],
                opsets=[("", 17), ("com.example", 1)],
            ),
            GraphError,
            "custom operators",
        ),
        (flatten_model(tensors=[external_tensor("weights")]), GraphError, "other files"),
        (flatten_model(nodes=HUGE), GraphError, "plain sample"),
        (
            flatten_model(
                inputs=[value_info("image", UINT8, ["batch", "height", "width", 3])],
                outputs=[value_info("embedding", FLOAT, ["batch", "any"])],
            ),
            ExportError,
            "not fixed",
        ),
    ],
    ids=["empty", "pickle", "opset", "no-opset", "operator", "external", "memory", "dimension"],
)
def test_hostile_files(data: bytes, error: type[Exception], named: str, tmp_path: Path) -> None:
    path = written(tmp_path, data)
    with pytest.raises(error, match=named):
        add(path)
    out = tmp_path / "out"
    assert not out.exists() or list(out.iterdir()) == []


def test_no_plain_file_and_one_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(ExportError, match="cannot be read"):
        add(path)
    path.mkdir()
    with pytest.raises(ExportError, match="no plain file"):
        add(path)
    path.rmdir()
    with path.open("wb") as file:
        file.truncate(MAX_MODEL_BYTES + 1)
    with pytest.raises(ExportError, match="2 GB are read"):
        add(path)


def test_a_tokenizer_that_links_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").symlink_to("/etc/hostname")
    with pytest.raises(ExportError, match="outside its folder"):
        add(written(tmp_path, text_model(pooled=True)))
