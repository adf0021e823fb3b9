"""Real pretrained networks, brought as a user would bring them: a folder, a manifest, the files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.encoders import Encoder, EncoderRegistry, VideoInput
from models.encoders.encoder import unit_rows
from models.onnx_runtime import ort
from tests.unit.encoders.tiny_encoders import graph_entry, write_manifest


@pytest.fixture
def registry(shared_dir: Path, tmp_path: Path) -> EncoderRegistry:
    """MobileNet, YAMNet and a video of both, beside the bundled encoders."""
    weights = shared_dir / "weights"
    common = {"licence": "Apache-2.0", "dimension": 1024}
    mobilenet, yamnet, video = (tmp_path / name for name in ("mobilenet", "yamnet", "video"))
    for folder, files in (
        (mobilenet, ["mobilenet_v1_embedding.onnx"]),
        (yamnet, ["yamnet_log_mel.onnx", "yamnet_embedding.onnx"]),
        (video, []),
    ):
        folder.mkdir()
        for file in files:
            shutil.copyfile(weights / file, folder / file)
    write_manifest(
        mobilenet,
        common
        | {
            "modality": "image",
            "name": "mobilenet-v1",
            "source": "google-coral/test_data",
            "graph": graph_entry(mobilenet / "mobilenet_v1_embedding.onnx", ["image"], "embedding"),
            "preprocessing": {"size_px": 224, "layout": "nhwc", "dtype": "uint8"},
        },
    )
    write_manifest(
        yamnet,
        common
        | {
            "modality": "audio",
            "name": "yamnet",
            "source": "tensorflow/models",
            "graphs": [
                graph_entry(yamnet / "yamnet_log_mel.onnx", ["input_1"], "Identity_1"),
                graph_entry(yamnet / "yamnet_embedding.onnx", ["log_mel"], "embedding"),
            ],
            "preprocessing": {"window_samples": 15_600, "hop_samples": 7_800},
        },
    )
    write_manifest(
        video,
        common
        | {
            "modality": "video",
            "name": "mobilenet-yamnet",
            "dimension": 2048,
            "source": "both",
            "preprocessing": {"image_encoder": "mobilenet-v1", "audio_encoder": "yamnet", "frames": 4},
        },
    )
    return EncoderRegistry([tmp_path])


def run(shared_dir: Path, file: str, feed: dict[str, Any]) -> Any:
    return ort.InferenceSession(shared_dir / "weights" / file).run(None, feed)[0]


def test_they_are_listed_beside_the_bundled(registry: EncoderRegistry) -> None:
    assert {"mobilenet-v1", "yamnet", "mobilenet-yamnet", "text-distilled-128"} <= set(registry.names())


def test_mobilenet_gives_what_onnx_runtime_gives(registry: EncoderRegistry, shared_dir: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), np.uint8)
    expected = unit_rows(run(shared_dir, "mobilenet_v1_embedding.onnx", {"image": images}))
    assert registry.get("mobilenet-v1").encode(images) == pytest.approx(expected, abs=1e-5)


def test_yamnet_is_the_mean_over_its_frames(registry: EncoderRegistry, shared_dir: Path) -> None:
    encoder: Encoder[Any] = registry.get("yamnet")
    clip = (0.1 * np.random.default_rng(0).standard_normal(15_600 * 2)).astype(np.float32)
    frames = [
        run(shared_dir, "yamnet_log_mel.onnx", {"input_1": clip[None, start : start + 15_600]})
        for start in (0, 7_800, 15_600)
    ]
    vectors = run(shared_dir, "yamnet_embedding.onnx", {"log_mel": np.stack(frames)})
    expected = unit_rows(vectors.mean(axis=0, keepdims=True))[0]
    assert encoder.encode([clip, clip[:100]])[0] == pytest.approx(expected, abs=1e-5)


def test_a_video_of_both(registry: EncoderRegistry) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3), np.uint8)
    encoder = registry.get("mobilenet-yamnet")
    silent, heard = encoder.encode(
        [VideoInput(frames, None), VideoInput(frames, np.ones(16_000, np.float32))]
    )
    assert not silent[1024:].any()
    assert np.linalg.norm(heard[1024:]) == pytest.approx(np.sqrt(0.5), abs=1e-5)
    assert silent[:1024] @ heard[:1024] == pytest.approx(np.sqrt(0.5), abs=1e-5)
