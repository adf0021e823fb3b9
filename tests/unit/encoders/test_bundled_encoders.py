"""The encoders that ship: their vectors, their files, and what they know."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
import pytest

from models.encoders import Encoder, EncoderRegistry, TextManifest, load_encoder, read_manifest
from models.encoders.loading import BUNDLED_FOLDER
from models.encoders.manifest import encode_manifest
from models.preprocessing.image import decode_image
from tests.unit.encoders import golden

DIMENSIONS = {"text-distilled-128": 128, "image-cnn-64": 64, "audio-gru-64": 64, "video-attention-128": 128}
TEXT = "text-distilled-128"
MAX_FILE_BYTES, MAX_TOTAL_BYTES = 5_000_000, 15_000_000


@pytest.fixture(scope="module")
def registry() -> EncoderRegistry:
    return EncoderRegistry()


@pytest.fixture(params=sorted(DIMENSIONS))
def encoder(request: pytest.FixtureRequest, registry: EncoderRegistry) -> Encoder[Any]:
    return registry.get(request.param)


def test_vectors_are_finite_and_of_unit_length(encoder: Encoder[Any]) -> None:
    vectors = encoder.encode(golden.inputs(encoder))
    assert vectors.shape == (4, DIMENSIONS[encoder.name])
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)


def test_a_batch_equals_its_items_one_by_one(encoder: Encoder[Any]) -> None:
    items = golden.inputs(encoder)
    single = np.concatenate([encoder.encode([item]) for item in items])
    assert encoder.encode(items) == pytest.approx(single, abs=1e-5)
    assert encoder.encode(items[::-1]) == pytest.approx(single[::-1], abs=1e-5)


def test_a_second_session_gives_the_same(encoder: Encoder[Any]) -> None:
    items = golden.inputs(encoder)
    again = load_encoder(BUNDLED_FOLDER / encoder.name)
    assert np.array_equal(encoder.encode(items), again.encode(items))


def test_golden_vectors(encoder: Encoder[Any]) -> None:
    expected = np.array(json.loads(golden.GOLDEN_FILE.read_text())[encoder.name])
    cosines = (encoder.encode(golden.inputs(encoder)) * expected).sum(axis=1)
    assert cosines.min() >= 0.999


def test_files_are_small_and_their_origin_is_stated(registry: EncoderRegistry) -> None:
    sizes = []
    for name in registry.names():
        manifest = registry.manifest(name)
        sizes += [entry.size_bytes for entry in manifest.files]
        assert manifest.quality
        assert manifest.trained_on
        assert manifest.licence == "Apache-2.0"
    assert max(sizes) <= MAX_FILE_BYTES
    assert sum(sizes) <= MAX_TOTAL_BYTES
    sound = registry.manifest("audio-gru-64")
    assert "Piczak" in sound.notice
    assert {data.licence for data in sound.trained_on} == {"CC-BY-3.0"}


def test_near_words_are_near(registry: EncoderRegistry) -> None:
    dress, skirt, dog, puppy = registry.get("text-distilled-128").encode(
        ["red dress", "a short skirt", "dog barking", "the puppy is loud"]
    )
    assert dress @ skirt > dress @ dog + 0.2
    assert dog @ puppy > dog @ skirt + 0.2


def test_unrelated_texts_have_cosines_around_zero(registry: EncoderRegistry) -> None:
    words = [
        "dress",
        "dog",
        "rain",
        "mathematics",
        "invoice",
        "violin",
        "pizza",
        "submarine",
        "election",
        "glacier",
    ]
    vectors = registry.get("text-distilled-128").encode(words)
    cosines = (vectors @ vectors.T)[np.triu_indices(len(words), 1)]
    assert abs(cosines.mean()) < 0.15


def test_a_prefix_of_the_manifest_goes_before_each_text(registry: EncoderRegistry, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(registry.folder(TEXT), tmp_path / TEXT))
    manifest = read_manifest(folder)
    assert isinstance(manifest, TextManifest)
    preprocessing = msgspec.structs.replace(manifest.preprocessing, prefix="red ")
    changed = msgspec.structs.replace(manifest, preprocessing=preprocessing)
    (folder / "manifest.json").write_bytes(encode_manifest(changed))
    prefixed = load_encoder(folder).encode(["boots", ""])
    assert prefixed[0] == pytest.approx(registry.get(TEXT).encode(["red boots"])[0], abs=1e-6)
    assert not prefixed[1].any()


@pytest.mark.parametrize("nothing", ["", "   ", "\n", "!?", "\u200b"])
def test_text_without_a_word_gives_zeros(registry: EncoderRegistry, nothing: str) -> None:
    vectors = registry.get("text-distilled-128").encode([nothing, "rain"])
    assert not vectors[0].any()
    assert vectors[1].any()


def test_text_of_any_kind_and_length(registry: EncoderRegistry) -> None:
    texts = ["a" * 1_000_000, "rain " * 100_000, "\ud800 dog", "犬が吠える", "[PAD] [SEP] dog", "\0dog"]
    vectors = registry.get("text-distilled-128").encode(texts)
    assert np.isfinite(vectors).all()
    dog = registry.get("text-distilled-128").encode(["dog"])[0]
    for row in (2, 4, 5):
        assert vectors[row] @ dog > 0.99


def test_the_level_of_a_sound_hardly_matters(registry: EncoderRegistry) -> None:
    encoder = registry.get("audio-gru-64")
    clips = golden.sounds(16_000)
    loud, soft = encoder.encode(clips), encoder.encode([np.float32(0.3) * clip for clip in clips])
    assert (loud * soft).sum(axis=1).min() > 0.9


def test_a_sound_without_samples_gives_zeros(registry: EncoderRegistry) -> None:
    encoder = registry.get("audio-gru-64")
    empty, silence = encoder.encode([np.zeros(0, np.float32), np.zeros(16_000, np.float32)])
    assert not empty.any()
    assert np.isfinite(silence).all()


def test_a_picture_is_near_to_itself_in_another_light(registry: EncoderRegistry) -> None:
    encoder = registry.get("image-cnn-64")
    pictures = golden.pictures(encoder.size_px)
    vectors, darker = encoder.encode(pictures), encoder.encode((pictures * 0.85).astype(np.uint8))
    same = np.diag(vectors @ darker.T)
    assert same.min() > 0.8


def test_barks_are_nearer_to_each_other_than_to_rain(registry: EncoderRegistry, shared_dir: Path) -> None:
    sounds = _esc10(shared_dir, ("Dog bark", "Rain"))
    bark, rain = (registry.get("audio-gru-64").encode(clips) for clips in sounds)
    among = (bark @ bark.T)[np.triu_indices(len(bark), 1)].mean()
    assert among > (bark @ rain.T).mean() + 0.3


def test_photographs_of_the_test_split_are_near_to_their_kind(
    registry: EncoderRegistry, shared_dir: Path
) -> None:
    """The figure in the manifest, measured again through the interface."""
    encoder = registry.get("image-cnn-64")
    parts = {part: _clothing(shared_dir, part, encoder.size_px) for part in ("train", "test")}
    (train, train_labels), (test, test_labels) = parts["train"], parts["test"]
    nearest = np.argsort(-(encoder.encode(test) @ encoder.encode(train).T), axis=1)[:, :10]
    accuracy = (train_labels[nearest] == test_labels[:, None]).mean()
    stated = encoder.manifest.quality["neighbours_10_test"].value
    assert accuracy == pytest.approx(stated, abs=0.02)


def _esc10(shared_dir: Path, labels: tuple[str, ...]) -> list[list[Any]]:
    rows, files = _labelled(shared_dir / "data" / "esc10", "clips.zip")
    return [[_sound(files[row["file"]]) for row in rows if row["label"] == label] for label in labels]


def _sound(data: bytes) -> Any:
    with av.open(io.BytesIO(data)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=16_000)
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def _clothing(shared_dir: Path, split: str, size_px: int) -> tuple[list[Any], Any]:
    rows, files = _labelled(shared_dir / "data" / "clothing", "images.zip")
    rows = [row for row in rows if row["split"] == split]
    images = [decode_image(files[row["file"]], size_px, fit="stretch") for row in rows]
    return images, np.array([row["label"] for row in rows])


def _labelled(folder: Path, archive: str) -> tuple[list[dict[str, str]], dict[str, bytes]]:
    """The rows of ``labels.csv``, and the files of the archive by their name."""
    with (folder / "labels.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    with zipfile.ZipFile(folder / archive) as zipped:
        return rows, {name.rsplit("/", 1)[-1]: zipped.read(name) for name in zipped.namelist()}
