"""Choosing the best of many scores."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.ranking.selection import best_first, near_top

few_values = st.sampled_from([0.0, 0.25, 0.5, 0.5 + 1e-6, 1.0, -np.inf])


@given(
    st.lists(st.floats(-1, 1, width=32) | few_values, min_size=1, max_size=40),
    st.integers(1, 60),
    st.integers(1, 30),
)
def test_the_best_are_always_among_those_near_the_top(pattern, count, repeats) -> None:
    scores = np.array(pattern * repeats, np.float32)
    hashes = np.random.default_rng(0).integers(0, 2**63, len(scores)).astype(np.uint64)
    positions = near_top(scores, hashes, count, rounding=1e-5)
    allowed = np.flatnonzero(scores > -np.inf)
    assert len(set(positions.tolist())) == len(positions)
    assert set(positions.tolist()) <= set(allowed.tolist())
    assert min(count, len(allowed)) <= len(positions) <= 2 * count + 256
    expected = np.sort(scores[allowed])[::-1][:count].astype(np.float64)
    chosen = np.sort(scores[positions])[::-1][:count].astype(np.float64)
    np.testing.assert_allclose(chosen, expected, atol=4e-5)
    if len(scores) <= 256:
        np.testing.assert_array_equal(chosen, expected)


def test_what_rounding_may_have_hidden_is_there() -> None:
    scores = np.array([0.5, 0.5 - 5e-6, 0.3], np.float32)
    hashes = np.arange(3, dtype=np.uint64)
    assert sorted(near_top(scores, hashes, 1, rounding=1e-5)) == [0, 1]


def test_equal_scores_are_in_the_order_of_their_hashes() -> None:
    scores = np.array([1.0, 2.0, 1.0, 1.0])
    hashes = np.array([9, 5, 3, 2**64 - 1], np.uint64)
    assert best_first(scores, hashes, 3).tolist() == [1, 2, 0]
