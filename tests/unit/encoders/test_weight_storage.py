"""Weights in fewer bits: near to what they were, plain again once a session is made; converted files load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the extra `train` is not installed")
torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("sklearn", reason="the extra `train` is not installed")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from models.encoders.loading import BUNDLED_FOLDER, load_encoder  # noqa: E402
from models.encoders.manifest import ImageManifest, ImagePreprocessing, read_manifest  # noqa: E402
from models.onnx_runtime import ort  # noqa: E402
from models.training.common import export_module, write_manifest  # noqa: E402
from models.training.convert_weights import convert  # noqa: E402
from models.training.fourier import fourier_basis  # noqa: E402
from models.training.weight_storage import STORAGES, Storage, store_weights  # noqa: E402
from tests.unit.encoders import golden  # noqa: E402

# Weight, its operator, and the axes of the operator's output channels.
OPERATORS = {
    "Conv": ((64, 4, 3, 3), (0,)),
    "MatMul": ((32, 64), (1,)),
    "Gemm": ((64, 32), (0,)),
}
HALF_STEP = {"float32": 0.0, "float16": 2.0**-11, "int8": 0.5001 / 127}


def one_weight(kind: str, weight: Any) -> Any:
    """A graph of one operator with one weight, and a copy of the weight as its second output."""
    attributes = {"transB": 1} if kind == "Gemm" else {}
    shape = ["n", weight.shape[1], 5, 5] if kind == "Conv" else ["n", 32]
    graph = helper.make_graph(
        [
            helper.make_node(kind, ["x", "w"], ["y"], **attributes),
            helper.make_node("Identity", ["w"], ["kept"]),
        ],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, shape[:1] + [None] * (len(shape) - 1)),
            helper.make_tensor_value_info("kept", TensorProto.FLOAT, weight.shape),
        ],
        [numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("kind", OPERATORS)
def test_each_weight_is_within_half_a_step_of_its_channel(kind: str, storage: Storage) -> None:
    shape, channels = OPERATORS[kind]
    random = np.random.default_rng(0)
    others = tuple(axis for axis in range(len(shape)) if axis not in channels)
    # Channels a thousandfold apart: one scale for all would lose the small ones.
    loudness = 10.0 ** random.uniform(
        -3, 0, [size if axis in channels else 1 for axis, size in enumerate(shape)]
    )
    weight = (loudness * random.standard_normal(shape)).astype(np.float32)
    stored = store_weights(one_weight(kind, weight), storage)
    onnx.checker.check_model(stored, full_check=True)
    session = ort.InferenceSession(stored.SerializeToString())
    shape_in = (1, shape[1], 5, 5) if kind == "Conv" else (1, 32)
    (kept,) = session.run(["kept"], {"x": np.zeros(shape_in, np.float32)})
    largest = np.abs(weight).max(axis=others, keepdims=True)
    assert (np.abs(kept - weight) <= HALF_STEP[storage] * largest).all()


@pytest.mark.parametrize("storage", STORAGES)
def test_a_session_has_nothing_left_to_do_for_it(storage: Storage, tmp_path: Path) -> None:
    plain = one_weight("Conv", np.ones((64, 4, 3, 3), np.float32))
    operators = []
    for model in (plain, store_weights(plain, storage)):
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        ort.InferenceSession(model.SerializeToString(), options)
        operators.append(sorted(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node))
    assert operators[0] == operators[1]


def test_a_channel_of_zeros_stays_zeros() -> None:
    weight = np.ones((64, 32), np.float32)
    weight[5] = 0
    session = ort.InferenceSession(store_weights(one_weight("Gemm", weight), "int8").SerializeToString())
    (kept,) = session.run(["kept"], {"x": np.zeros((1, 32), np.float32)})
    assert not kept[5].any()
    assert np.delete(kept, 5, axis=0) == pytest.approx(1.0)


@pytest.mark.parametrize("storage", ["float16", "int8"])
def test_a_fourier_transform_is_computed_and_not_stored(storage: Storage) -> None:
    basis = fourier_basis()
    # Of NumPy's own transform: a tone's spectrum, so that what is computed is not just compared with itself.
    tone = np.sin(2 * np.pi * 40.3 * np.arange(basis.shape[2]) / 512).astype(np.float32)
    window = np.hanning(basis.shape[2] + 1)[:-1]
    spectrum = np.fft.rfft(tone * window, 512)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "spectrum",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, basis.shape[2]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, basis.shape[0], 1])],
        [numpy_helper.from_array(basis, "w")],
    )
    plain = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    stored = store_weights(plain, storage)
    onnx.checker.check_model(stored, full_check=True)
    assert stored.ByteSize() < 0.02 * plain.ByteSize()
    (made,) = ort.InferenceSession(stored.SerializeToString()).run(None, {"x": tone[None, None]})
    real, imaginary = np.split(made[0, :, 0], 2)
    assert real == pytest.approx(spectrum.real, abs=1e-3)
    assert imaginary == pytest.approx(spectrum.imag, abs=1e-3)


@pytest.mark.parametrize(("storage", "share"), [("float16", 0.6), ("int8", 0.4)])
def test_a_converted_encoder_is_smaller_and_gives_nearly_the_same(
    storage: Storage, share: float, tmp_path: Path
) -> None:
    folder = trained_encoder(tmp_path / "float32")
    manifest = convert(folder, tmp_path / storage, storage)
    before, after = (load_encoder(one) for one in (folder, tmp_path / storage / manifest.name))
    assert manifest.files[0].size_bytes < share * before.manifest.files[0].size_bytes
    assert after.manifest == manifest
    pictures = list(golden.pictures(16))
    cosines = (before.encode(pictures) * after.encode(pictures)).sum(axis=1)
    assert cosines.min() > 0.999
    assert msgspec.structs.replace(after.manifest, graph=before.manifest.graph) == before.manifest


def test_bundled_encoders_keep_no_large_weight_in_float32() -> None:
    for name in ("image-cnn-64", "audio-gru-64", "video-attention-128"):
        (entry,) = read_manifest(BUNDLED_FOLDER / name).files
        model = onnx.load(BUNDLED_FOLDER / name / entry.file)
        assert store_weights(model, "int8") == model


def trained_encoder(out: Path) -> Path:
    """The folder of an image encoder of random weights, exported as the training commands do."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Flatten(), Scaled(), torch.nn.Linear(768, 32), torch.nn.Tanh(), torch.nn.Linear(32, 32)
    )
    folder = out / "tiny"
    entry = export_module(
        network, torch.zeros((2, 16, 16, 3), dtype=torch.uint8), "image", folder / "model.onnx", "float32"
    )
    manifest = ImageManifest(
        name="tiny",
        dimension=32,
        source="made up",
        licence="Apache-2.0",
        graph=entry,
        preprocessing=ImagePreprocessing(size_px=16, layout="nhwc", dtype="uint8"),
    )
    write_manifest(manifest, out)
    return folder


class Scaled(torch.nn.Module):
    """Pixels in -1..1."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.to(torch.float32) / 127.5 - 1
