"""Principal axes: against NumPy's singular values, and by what must hold of any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.projection import principal_axes


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(3, 60), st.integers(2, 12))
def test_the_axes_explain_what_the_singular_values_say(seed: int, rows: int, dimension: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(rows, dimension)) * np.arange(1, dimension + 1)
    found = principal_axes(vectors)
    centred = vectors - vectors.mean(axis=0)
    values = np.linalg.svd(centred, compute_uv=False) ** 2
    assert found.explained == pytest.approx((values / values.sum())[:2], abs=1e-9)
    assert found.axes @ found.axes.T == pytest.approx(np.eye(2), abs=1e-9)
    spread = found.project(vectors).var(axis=0)
    assert spread == pytest.approx(found.explained * centred.var(axis=0).sum(), rel=1e-6, abs=1e-9)


def test_an_axis_does_not_flip_when_a_vector_is_added() -> None:
    vectors = np.random.default_rng(3).normal(size=(80, 6)) * [9, 4, 1, 1, 1, 1]
    before, after = principal_axes(vectors[:-1]), principal_axes(vectors)
    assert (np.sum(before.axes * after.axes, axis=1) > 0.9).all()


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_few_vectors_are_no_error(rows: int) -> None:
    found = principal_axes(np.ones((rows, 4), np.float32))
    assert found.explained.tolist() == [0.0, 0.0]
    assert found.project(np.ones((1, 4))).shape == (1, 2)
