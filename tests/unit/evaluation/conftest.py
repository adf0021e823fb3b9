"""A data set small enough to reckon by hand. Properties are not timed: a busy machine is not a failure."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.unit.evaluation.tiny_dataset import write_dataset

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    """A folder with twelve items of three tastes, and what six people do with them."""
    return write_dataset(tmp_path / "tiny")
