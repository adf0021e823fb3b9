"""Vectors of items that lack modalities: each in turn, and a random half that a seed draws."""

from __future__ import annotations

import numpy as np
import pytest

from models.offline.interface import Features
from models.training.missing_modalities import views_without

ITEMS = 200
RANDOM = np.random.default_rng(0)
TEXT, IMAGE = (RANDOM.standard_normal((ITEMS, size)).astype(np.float32) for size in (3, 2))
IMAGE[::4] = 0.0


def side_by_side(features: Features) -> np.ndarray:
    return np.concatenate(list(features.values()), axis=1)


def test_each_modality_in_turn_then_a_random_half() -> None:
    without_text, without_image, half = views_without(side_by_side, {"text": TEXT, "image": IMAGE})(seed := 5)
    np.testing.assert_array_equal(without_text, np.concatenate([np.zeros_like(TEXT), IMAGE], axis=1))
    np.testing.assert_array_equal(without_image, np.concatenate([TEXT, np.zeros_like(IMAGE)], axis=1))
    has_both = IMAGE.any(axis=1)
    # Of two one is lost; what has one keeps or loses it by chance.
    assert (half[has_both, :3].any(axis=1) ^ half[has_both, 3:].any(axis=1)).all()
    assert 0 < half[~has_both].any(axis=1).sum() < (~has_both).sum()
    again = views_without(side_by_side, {"text": TEXT, "image": IMAGE})
    np.testing.assert_array_equal(again(seed)[2], half)
    assert (again(seed + 1)[2] != half).any()


@pytest.mark.parametrize("features", [{}, {"text": TEXT}])
def test_of_one_modality_nothing_is_taken_away(features: Features) -> None:
    assert views_without(side_by_side, features)(0) == []
