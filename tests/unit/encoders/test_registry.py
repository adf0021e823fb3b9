"""The registry lists the bundled encoders and those in folders that the user names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models.encoders import EncoderRegistry
from models.errors import ManifestError, UnknownEncoderError
from tests.unit.encoders.tiny_encoders import image_manifest, write_manifest

BUNDLED = {"text-distilled-128", "image-cnn-64", "audio-gru-64", "video-attention-128"}


def test_bundled_and_named(tiny_folder: Path) -> None:
    registry = EncoderRegistry([tiny_folder])
    assert set(registry.names()) == BUNDLED | {"tiny"}
    assert registry.names("image") == ["image-cnn-64", "tiny"]
    assert registry.folder("tiny") == tiny_folder
    assert registry.get("tiny") is registry.get("tiny")


def test_a_folder_of_encoders_without_the_bundled(tiny_folder: Path) -> None:
    assert EncoderRegistry([tiny_folder.parent], bundled=False).names() == ["tiny"]


def test_networks_are_loaded_when_asked_for(tiny_folder: Path) -> None:
    (tiny_folder / "model.onnx").write_bytes(b"broken")
    registry = EncoderRegistry([tiny_folder], bundled=False)
    assert registry.manifest("tiny").dimension == 12
    with pytest.raises(ManifestError):
        registry.get("tiny")


def test_an_unknown_name_says_what_is_at_hand(tiny_folder: Path) -> None:
    with pytest.raises(UnknownEncoderError, match=r"'clip'.*tiny"):
        EncoderRegistry([tiny_folder], bundled=False).get("clip")


def test_a_folder_without_an_encoder(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.json"):
        EncoderRegistry([tmp_path])


def test_two_of_one_name(tiny_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_folder, other)
    with pytest.raises(ManifestError, match="Two encoders"):
        EncoderRegistry([tiny_folder, other], bundled=False)
    write_manifest(other, image_manifest(other, name="another"))
    assert EncoderRegistry([tiny_folder, other], bundled=False).names() == ["another", "tiny"]
