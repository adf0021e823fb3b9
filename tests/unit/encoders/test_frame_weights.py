"""How much each frame of a film counts: the graph that ships, graphs that are wrong, and none."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.encoders import EncoderRegistry, VideoInput, VideoManifest, load_encoder, read_manifest
from models.encoders.encoder import unit_rows
from models.encoders.frame_weights import FrameWeights
from models.encoders.loading import BUNDLED_FOLDER
from models.encoders.manifest import GraphEntry
from models.encoders.session import SessionSettings
from models.errors import EncoderOutputError, GraphError, ManifestError
from tests.unit.encoders import golden
from tests.unit.encoders.tiny_encoders import graph_entry
from tests.unit.encoders.tiny_onnx import FLOAT, model, node, tensor_cast, value_info

VIDEO = "video-attention-128"
DIMENSION = 64
BOOL = 9


def bundled_manifest() -> VideoManifest:
    manifest = read_manifest(BUNDLED_FOLDER / VIDEO)
    assert isinstance(manifest, VideoManifest)
    return manifest


def bundled_weights(batch_size: int = 16) -> FrameWeights:
    pooling = bundled_manifest().pooling
    assert pooling is not None
    return FrameWeights(BUNDLED_FOLDER / VIDEO, pooling, DIMENSION, SessionSettings(batch_size=batch_size))


WEIGHTS = bundled_weights(batch_size=3)
COUNTS = st.lists(st.integers(0, 9) | st.just(64), min_size=1, max_size=7)


def random_frames(counts: list[int], seed: int) -> Any:
    frames = np.random.default_rng(seed).standard_normal((sum(counts), DIMENSION))
    return unit_rows(frames.astype(np.float32))


def by_film(rows: Any, counts: list[int]) -> list[Any]:
    return np.split(rows, np.cumsum(counts)[:-1])


@given(COUNTS, st.integers(0, 1_000))
@settings(max_examples=40, deadline=None)
def test_each_film_is_a_convex_combination_of_its_own_frames(counts: list[int], seed: int) -> None:
    frames = random_frames(counts, seed)
    weights = WEIGHTS.of(frames, np.array(counts))
    assert weights.min(initial=0) >= 0
    for own, film in zip(by_film(weights, counts), by_film(frames, counts), strict=True):
        assert own.sum() == pytest.approx(1.0 if len(own) else 0.0, abs=1e-5)
        # neither the other films of the batch nor what fills it up have a say
        assert own == pytest.approx(WEIGHTS.of(film, np.array([len(film)])), abs=1e-5)


@given(st.integers(1, 20), st.randoms(use_true_random=False), st.integers(0, 1_000))
@settings(max_examples=30, deadline=None)
def test_the_order_of_frames_is_no_matter(count: int, random: Any, seed: int) -> None:
    frames, order = random_frames([count], seed), list(range(count))
    random.shuffle(order)
    weights, shuffled = (WEIGHTS.of(rows, np.array([count])) for rows in (frames, frames[order]))
    assert shuffled == pytest.approx(weights[order], abs=1e-5)


def test_frames_that_are_the_same_count_alike() -> None:
    frames = random_frames([3], 0)
    weights = WEIGHTS.of(frames[[0, 1, 0, 2]], np.array([4]))
    assert weights[0] == pytest.approx(weights[2], abs=1e-6)


@pytest.fixture(scope="module")
def registry() -> EncoderRegistry:
    return EncoderRegistry()


def test_a_film_of_one_frame_is_that_frame(registry: EncoderRegistry) -> None:
    pictures = golden.pictures(96)
    films = registry.get(VIDEO).encode([VideoInput(picture[None], None) for picture in pictures])
    assert films[:, :DIMENSION] == pytest.approx(registry.get("image-cnn-64").encode(pictures), abs=1e-5)


def test_black_frames_hide_a_film_less_than_they_hide_its_mean(
    registry: EncoderRegistry, tmp_path: Path
) -> None:
    learned, plain = registry.get(VIDEO), load_encoder(without_pooling(tmp_path))
    picture = golden.pictures(96)[:1]
    film = VideoInput(np.concatenate([picture, picture, np.zeros((3, 96, 96, 3), np.uint8)]), None)
    (wanted,) = registry.get("image-cnn-64").encode(picture)
    (with_weights,), (mean,) = (
        encoder.encode([film])[:, :DIMENSION] @ wanted for encoder in (learned, plain)
    )
    assert with_weights > mean + 0.1


def test_a_manifest_without_pooling_takes_the_mean(registry: EncoderRegistry, tmp_path: Path) -> None:
    plain = load_encoder(without_pooling(tmp_path))
    frames = golden.pictures(96)
    mean = unit_rows(registry.get("image-cnn-64").encode(frames).mean(axis=0, keepdims=True))
    assert plain.encode([VideoInput(frames, None)])[:, :DIMENSION] == pytest.approx(mean, abs=1e-6)


def without_pooling(tmp_path: Path) -> Path:
    """A video encoder as it was before frames were weighed: no `pooling`, no file."""
    folder = tmp_path / "plain"
    folder.mkdir()
    manifest = msgspec.to_builtins(bundled_manifest()) | {"name": "plain"}
    del manifest["pooling"]
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return folder


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(BUNDLED_FOLDER / VIDEO, tmp_path / VIDEO))
    path = folder / "pooling.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ManifestError, match=r"pooling\.onnx has the sha256"):
        load_encoder(folder)
    path.unlink()
    with pytest.raises(ManifestError, match=r"pooling\.onnx cannot be read"):
        load_encoder(folder)


def test_a_graph_for_frames_alone_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(BUNDLED_FOLDER / VIDEO, tmp_path / VIDEO))
    manifest = msgspec.to_builtins(bundled_manifest())
    manifest["pooling"]["inputs"] = ["frames"]
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(ManifestError, match="exactly 2 inputs"):
        load_encoder(folder)


def tiny_weights(folder: Path, nodes: list[bytes], dimension: int = 2, side: int | str = 2) -> FrameWeights:
    """A graph of ``nodes`` from `frames` and `present` to `weights`."""
    path = folder / "pooling.onnx"
    path.write_bytes(
        model(
            nodes,
            [
                value_info("frames", FLOAT, ["films", "k", side]),
                value_info("present", BOOL, ["films", "k"]),
            ],
            [value_info("weights", FLOAT, ["films", "k"])],
        )
    )
    entry = msgspec.convert(graph_entry(path, ["frames", "present"], "weights"), GraphEntry)
    return FrameWeights(folder, entry, dimension, SessionSettings())


PRESENT = tensor_cast("present", "ones")
TWO_FILMS: tuple[Any, NDArray[np.int64]] = (np.eye(2, dtype=np.float32)[[0, 1, 0]], np.array([2, 0, 1]))


def test_a_tiny_graph_that_weighs_all_alike(tmp_path: Path) -> None:
    weights = tiny_weights(tmp_path, [PRESENT, node("Identity", ["ones"], ["weights"])])
    assert weights.of(*TWO_FILMS).tolist() == [1, 1, 1]


def test_a_graph_of_other_vectors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="'frames'"):
        tiny_weights(tmp_path, [PRESENT, node("Identity", ["ones"], ["weights"])], dimension=3)


def test_weights_that_are_none_are_refused_with_the_films(tmp_path: Path) -> None:
    # -1 for a frame that is there, and for what fills up -0
    below = tiny_weights(tmp_path, [PRESENT, node("Neg", ["ones"], ["weights"])])
    with pytest.raises(EncoderOutputError, match="below 0") as caught:
        below.of(*TWO_FILMS)
    assert caught.value.rows == (0, 2)
    zeros = [PRESENT, node("Sub", ["ones", "ones"], ["zeros"]), node("Div", ["zeros", "zeros"], ["weights"])]
    with pytest.raises(EncoderOutputError, match="finite"):
        tiny_weights(tmp_path, zeros).of(*TWO_FILMS)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    nodes = [PRESENT, node("Flatten", ["frames"], ["weights"])]
    with pytest.raises(GraphError, match="one weight a frame"):
        tiny_weights(tmp_path, nodes).of(*TWO_FILMS)
