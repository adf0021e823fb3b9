"""What the encoders take, what they refuse, and which rows are to blame; on encoders made on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.encoders import Encoder, SessionSettings, VideoInput, load_encoder
from models.encoders.audio import window_starts
from models.encoders.encoder import unit_rows
from models.encoders.manifest import AudioPreprocessing
from models.errors import EncoderInputError, EncoderOutputError, GraphError, ManifestError
from tests.unit.encoders.tiny_encoders import flatten_model, graph_entry, image_manifest, write_manifest
from tests.unit.encoders.tiny_onnx import FLOAT, UINT8, node, number, tensor_cast, value_info
from tests.unit.encoders.tiny_onnx import message as field


def images(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(1, 256, (count, 2, 2, 3), np.uint8)


def log_model() -> bytes:
    """As the tiny encoder, with a logarithm: a black pixel gives minus infinity."""
    nodes = [
        tensor_cast("image", "floats"),
        node("Log", ["floats"], ["logs"]),
        node("Flatten", ["logs"], ["embedding"]),
    ]
    return flatten_model(nodes=nodes)


def test_rows_are_the_normalised_pixels(tiny_folder: Path) -> None:
    batch = images(5)
    vectors = load_encoder(tiny_folder).encode(batch)
    flat = batch.reshape(5, 12).astype(np.float64)
    assert vectors.dtype == np.float32
    assert vectors == pytest.approx(flat / np.linalg.norm(flat, axis=1, keepdims=True), abs=1e-6)


def test_an_empty_batch(tiny_folder: Path) -> None:
    assert load_encoder(tiny_folder).encode([]).shape == (0, 12)


def test_a_batch_larger_than_a_run(tiny_folder: Path) -> None:
    batch = images(11)
    small, large = (load_encoder(tiny_folder, SessionSettings(batch_size=size)) for size in (3, 64))
    assert np.array_equal(small.encode(batch), large.encode(batch))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((3, 2, 3), np.uint8),
        np.zeros((2, 2, 3), np.float32),
        np.zeros((2, 2), np.uint8),
        None,
        b"png",
    ],
)
def test_a_wrong_image_is_named_by_its_row(tiny_folder: Path, wrong: Any) -> None:
    with pytest.raises(EncoderInputError, match="uint8") as caught:
        load_encoder(tiny_folder).encode([images(1)[0], wrong, images(1)[0]])
    assert caught.value.rows == (1,)


def test_an_infinite_vector_is_named_by_its_row(tiny_folder: Path) -> None:
    (tiny_folder / "model.onnx").write_bytes(log_model())
    encoder = load_encoder(write_manifest(tiny_folder, image_manifest(tiny_folder)))
    batch = images(4)
    batch[2, 0, 0, 0] = 0
    with pytest.raises(EncoderOutputError, match="not finite") as caught:
        encoder.encode(batch)
    assert caught.value.rows == (2,)
    good = np.delete(batch, caught.value.rows, axis=0)
    assert np.isfinite(encoder.encode(good)).all()


def test_float_pixels_with_channels_first(tiny_folder: Path) -> None:
    nodes = [node("Flatten", ["image"], ["embedding"])]
    inputs = [value_info("image", FLOAT, ["batch", 3, 2, 2])]
    (tiny_folder / "model.onnx").write_bytes(flatten_model(nodes=nodes, inputs=inputs))
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    options = {"size_px": 2, "layout": "nchw", "dtype": "float32", "mean": mean, "std": std}
    encoder = load_encoder(write_manifest(tiny_folder, image_manifest(tiny_folder, preprocessing=options)))
    batch = images(3)
    expected = ((batch / 255 - np.array(mean)) / np.array(std)).transpose(0, 3, 1, 2).reshape(3, 12)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert encoder.encode(batch) == pytest.approx(expected, abs=1e-5)


def test_a_graph_with_a_fixed_batch(tiny_folder: Path) -> None:
    inputs, outputs = [value_info("image", UINT8, [4, 2, 2, 3])], [value_info("embedding", FLOAT, [4, 12])]
    free = load_encoder(tiny_folder).encode(images(6))
    (tiny_folder / "model.onnx").write_bytes(flatten_model(inputs=inputs, outputs=outputs))
    fixed = load_encoder(write_manifest(tiny_folder, image_manifest(tiny_folder)))
    assert np.array_equal(fixed.encode(images(6)), free)


# Sound: a "front end" for one window of 4 samples without a batch in its output, then a "backbone".


@pytest.fixture
def tiny_audio(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny-audio"
    folder.mkdir()
    first_axis = field(1, "axis") + number(3, 0) + number(20, 2)
    (folder / "front.onnx").write_bytes(
        flatten_model(
            nodes=[
                node("Flatten", ["samples"], ["row"], field(5, first_axis)),
                node("Squeeze", ["row"], ["frames"]),
            ],
            inputs=[value_info("samples", FLOAT, [1, 4])],
            outputs=[value_info("frames", FLOAT, [4])],
        )
    )
    (folder / "back.onnx").write_bytes(
        flatten_model(
            nodes=[node("Identity", ["frames"], ["embedding"])],
            inputs=[value_info("frames", FLOAT, ["batch", 4])],
            outputs=[value_info("embedding", FLOAT, ["batch", 4])],
        )
    )
    graphs = [
        graph_entry(folder / "front.onnx", ["samples"], "frames"),
        graph_entry(folder / "back.onnx", ["frames"], "embedding"),
    ]
    return write_manifest(
        folder,
        {
            "modality": "audio",
            "name": "tiny-audio",
            "dimension": 4,
            "source": "this test",
            "licence": "Apache-2.0",
            "graphs": graphs,
            "preprocessing": {"window_samples": 4, "hop_samples": 4},
        },
    )


def test_a_clip_is_the_mean_of_its_windows(tiny_audio: Path) -> None:
    encoder = load_encoder(tiny_audio)
    clips = [np.array(values, np.float32) for values in ([1, 0, 0, 0, 0, 1, 0, 0], [0, 0, 3], [])]
    half = np.sqrt(0.5)
    assert encoder.encode(clips) == pytest.approx(np.array([[half, half, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]))


def test_windows_of_another_length_are_refused(tiny_audio: Path) -> None:
    text = (tiny_audio / "manifest.json").read_text()
    (tiny_audio / "manifest.json").write_text(text.replace('"window_samples": 4', '"window_samples": 5'))
    with pytest.raises(GraphError, match="samples"):
        load_encoder(tiny_audio)


def test_graphs_that_do_not_follow_on_each_other_are_refused(tiny_audio: Path) -> None:
    manifest = json.loads((tiny_audio / "manifest.json").read_text())
    (tiny_audio / "back.onnx").write_bytes(
        flatten_model(
            nodes=[node("Identity", ["frames"], ["embedding"])],
            inputs=[value_info("frames", FLOAT, ["batch", 7])],
            outputs=[value_info("embedding", FLOAT, ["batch", 7])],
        )
    )
    manifest["graphs"][1] = graph_entry(tiny_audio / "back.onnx", ["frames"], "embedding")
    with pytest.raises(GraphError, match="order of `graphs`"):
        load_encoder(write_manifest(tiny_audio, manifest))


@pytest.mark.parametrize(
    "wrong",
    [np.array([np.nan], np.float32), np.zeros((2, 4), np.float32), np.zeros(4, np.float64), [0.0]],
)
def test_a_wrong_clip_is_named_by_its_row(tiny_audio: Path, wrong: Any) -> None:
    with pytest.raises(EncoderInputError, match="float32") as caught:
        load_encoder(tiny_audio).encode([np.ones(4, np.float32), wrong])
    assert caught.value.rows == (1,)


@given(
    samples=st.integers(0, 500),
    window=st.integers(1, 60),
    hop=st.integers(1, 60),
    limit=st.integers(1, 20),
)
def test_windows_cover_a_clip_in_order(samples: int, window: int, hop: int, limit: int) -> None:
    options = AudioPreprocessing(window_samples=window, hop_samples=hop, max_windows=limit)
    starts = window_starts(samples, options)
    assert len(starts) <= limit
    assert bool(starts) == (samples > 0)
    assert starts == sorted(set(starts))
    assert all(start < samples and start % hop == 0 for start in starts)
    if hop <= window and 0 < len(starts) < limit:
        # what is left out at the end is less than half a window
        assert samples - (starts[-1] + window) < window / 2 + hop


def test_an_endless_clip_is_encoded_in_a_bounded_number_of_windows() -> None:
    options = AudioPreprocessing(window_samples=40_000, hop_samples=20_000, max_windows=50)
    starts = window_starts(10**10, options)
    assert len(starts) == 50
    assert starts[0] == 0
    assert starts[-1] + options.window_samples == 10**10


def video(folder: Path, image: Path, audio: Path, dimension: int = 16) -> Encoder[VideoInput]:
    folder.mkdir(exist_ok=True)
    encoders = {path.name: load_encoder(path) for path in (image, audio)}
    write_manifest(
        folder,
        {
            "modality": "video",
            "name": "tiny-video",
            "dimension": dimension,
            "source": "this test",
            "licence": "Apache-2.0",
            "preprocessing": {"image_encoder": image.name, "audio_encoder": audio.name, "frames": 2},
        },
    )
    return load_encoder(folder, resolve=encoders.__getitem__)


def test_video_is_frames_beside_sound(tiny_folder: Path, tiny_audio: Path, tmp_path: Path) -> None:
    encoder = video(tmp_path / "v", tiny_folder, tiny_audio)
    frames, sound = images(3), np.array([0, 2, 0, 0], np.float32)
    both, silent, unseen, nothing = encoder.encode(
        [
            VideoInput(frames, sound),
            VideoInput(frames, None),
            VideoInput(frames[:0], sound),
            VideoInput(frames[:0], None),
        ]
    )
    mean = unit_rows(load_encoder(tiny_folder).encode(frames).mean(axis=0, keepdims=True))[0]
    heard = np.array([0, 1, 0, 0])
    assert both == pytest.approx(np.concatenate([mean, heard]) / np.sqrt(2), abs=1e-6)
    assert silent == pytest.approx(np.concatenate([mean, 0 * heard]), abs=1e-6)
    assert unseen == pytest.approx(np.concatenate([0 * mean, heard]), abs=1e-6)
    assert not nothing.any()


def test_a_video_to_blame_is_named_by_its_row(tiny_folder: Path, tiny_audio: Path, tmp_path: Path) -> None:
    encoder = video(tmp_path / "v", tiny_folder, tiny_audio)
    good = VideoInput(images(3), None)
    with pytest.raises(EncoderInputError) as caught:
        encoder.encode([good, good, VideoInput(np.zeros((1, 5, 5, 3), np.uint8), None), good])
    assert caught.value.rows == (2,)
    with pytest.raises(EncoderInputError) as caught:
        encoder.encode([good, VideoInput(images(1), np.array([np.inf], np.float32))])
    assert caught.value.rows == (1,)


def test_a_video_whose_parts_do_not_fit(tiny_folder: Path, tiny_audio: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="17"):
        video(tmp_path / "v", tiny_folder, tiny_audio, dimension=17)
    with pytest.raises(ManifestError, match="one of each"):
        video(tmp_path / "v", tiny_audio, tiny_folder)
