"""A small world of tastes as a matrix."""

from __future__ import annotations

import pytest

from models.datasets import InteractionData
from tests.unit.offline.worlds import world


@pytest.fixture(scope="session")
def tastes() -> InteractionData:
    """Sixty people of three tastes, thirty items; content tells the taste."""
    return world()
