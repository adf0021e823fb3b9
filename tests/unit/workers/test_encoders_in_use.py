"""What fusions are told of the encoders in use."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.encoders import EncoderRegistry, VideoInput
from models.fusion import LinearFusion
from streams.fields import MODALITIES
from streams.settings import Settings
from workers.encoders_in_use import encoder_spec, specs_in_use

REGISTRY = EncoderRegistry()


def test_a_video_is_of_the_spaces_of_its_image_and_audio_encoders() -> None:
    specs = specs_in_use(Settings(), REGISTRY)
    assert list(specs) == list(MODALITIES)
    image, audio = specs["video"].parts
    assert (image.sha256, image.dimension) == (specs["image"].sha256, specs["image"].dimension)
    assert (audio.sha256, audio.dimension) == (specs["audio"].sha256, specs["audio"].dimension)


def test_a_silent_film_of_one_picture_lies_where_the_picture_lies() -> None:
    specs = specs_in_use(Settings(), REGISTRY)
    image, video = (REGISTRY.get(specs[modality].name) for modality in ("image", "video"))
    picture = image.sample()
    fused = LinearFusion(specs).fuse_batch(
        [
            {"image": image.encode([picture])[0]},
            {"video": video.encode([VideoInput(np.stack([picture] * 3), None)])[0]},
        ]
    )
    assert fused[0] == pytest.approx(fused[1], abs=1e-5)


def test_another_weighing_of_frames_is_another_encoder_of_the_same_parts(tmp_path: Path) -> None:
    name = Settings().encoders.video
    folder = Path(shutil.copytree(REGISTRY.folder(name), tmp_path / "other"))
    manifest = folder / "manifest.json"
    own = REGISTRY.manifest(name).files[0].sha256
    manifest.write_text(manifest.read_text().replace(own, "0" * 64).replace(f'"{name}"', '"other"'))
    bundled, other = (encoder_spec(EncoderRegistry([folder]), one) for one in (name, "other"))
    assert bundled.sha256 != other.sha256
    assert bundled.parts == other.parts
