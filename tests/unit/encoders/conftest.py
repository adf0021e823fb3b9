"""Fixtures of the encoders' tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.encoders.tiny_encoders import flatten_model, image_manifest, write_manifest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    """The folder of a valid image encoder for 2 x 2 pixels: its vector is the pixels."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(flatten_model())
    return write_manifest(folder, image_manifest(folder))


@pytest.fixture
def shared_dir() -> Path:
    """The folder of evaluation data and weights; a test that needs it is skipped where it is absent."""
    folder = Path(os.environ.get("FRESHET_SHARED_DIR", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared folder at {folder}; name it in FRESHET_SHARED_DIR")
    return folder
