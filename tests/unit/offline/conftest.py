"""A small world of tastes as a matrix. Properties are not timed: a busy machine is not a failure."""

from __future__ import annotations

import pytest
from hypothesis import settings

from models.datasets import InteractionData
from tests.unit.offline.worlds import world

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def tastes() -> InteractionData:
    """Sixty people of three tastes, thirty items; content tells the taste."""
    return world()
