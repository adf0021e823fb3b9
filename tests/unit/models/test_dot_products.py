"""Dot products of some rows: as of all, in whatever order and blocks they come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.retrieval import dot_products as module
from models.retrieval.dot_products import dot_products

RANDOM = np.random.default_rng(3)
VECTORS = RANDOM.standard_normal((50, 24)).astype(np.float32)
DIRECTION = RANDOM.standard_normal(24).astype(np.float32)


@given(rows=st.lists(st.integers(0, 49), max_size=40), block=st.integers(1, 45))
def test_each_row_has_its_own_product_whatever_stands_beside_it(rows: list[int], block: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_BLOCK_ROWS", block)
        found = dot_products(VECTORS, np.array(rows, np.int64), DIRECTION)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.vecdot(VECTORS, DIRECTION)[rows])
    np.testing.assert_allclose(found, VECTORS[rows].astype(np.float64) @ DIRECTION, atol=1e-4)
