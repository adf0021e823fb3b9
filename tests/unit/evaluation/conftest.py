"""A data set small enough to reckon by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.evaluation.tiny_dataset import write_dataset


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    """A folder with twelve items of three tastes, and what six people do with them."""
    return write_dataset(tmp_path / "tiny")
