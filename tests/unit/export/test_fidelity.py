"""How near two sets of vectors are, on figures that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from models.export.fidelity import fidelity


def test_the_least_and_the_mean_of_cosines() -> None:
    these = np.array([[1, 0], [0, 2], [3, 4]], np.float32)
    others = np.array([[1, 0], [0, 1], [4, 3]], np.float32)
    found = fidelity(these, others)
    assert found.least_cosine == pytest.approx(24 / 25)
    assert found.mean_cosine == pytest.approx((1 + 1 + 24 / 25) / 3)


def test_rank_correlation_is_spearmans_over_pairs() -> None:
    random = np.random.default_rng(0)
    these = random.standard_normal((12, 3)).astype(np.float32)
    others = (these + 0.7 * random.standard_normal((12, 3))).astype(np.float32)
    pairs = np.triu_indices(12, 1)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (these, others)]
    expected = spearmanr(*((rows @ rows.T)[pairs] for rows in unit)).statistic
    assert fidelity(these, others).rank_correlation == pytest.approx(expected, abs=1e-6)


def test_items_that_say_nothing_to_both_are_the_same_and_to_one_are_not() -> None:
    nothing = np.zeros((1, 2), np.float32)
    assert fidelity(nothing, nothing).least_cosine == 1
    assert fidelity(nothing, np.ones((1, 2), np.float32)).least_cosine == 0


def test_a_vector_that_is_not_a_number_is_near_to_nothing() -> None:
    found = fidelity(np.full((1, 2), np.nan, np.float32), np.ones((1, 2), np.float32))
    assert not found.least_cosine >= 0.9999
