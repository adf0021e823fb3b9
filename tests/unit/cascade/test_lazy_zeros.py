"""Zeros that take memory where they are written."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import numpy as np
import pytest

from models.interactions.lazy_zeros import copy_written, lazy_zeros


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def test_they_are_zeros_that_can_be_written() -> None:
    zeros = lazy_zeros((3, 4, 5))
    assert zeros.shape == (3, 4, 5)
    assert zeros.dtype == np.float32
    assert not zeros.any()
    zeros[1, 2, 3] = 1.0
    assert zeros.sum() == 1.0


def test_nothing_is_a_shape_too() -> None:
    assert lazy_zeros((0, 4)).shape == (0, 4)


@pytest.mark.skipif(sys.platform != "linux", reason="reads what the kernel says")
def test_a_large_sparse_matrix_takes_little_memory_also_when_it_grows() -> None:
    before = resident_bytes()
    first = lazy_zeros((4_000, 4_000))
    first[np.arange(0, 4_000, 100), 7] = 1.0
    second = lazy_zeros((8_000, 8_000))
    copy_written(first, second)
    # 320 MB were they all there.
    assert resident_bytes() - before < 32 << 20
    np.testing.assert_array_equal(second[:4_000, :8], first[:, :8])
    assert second.sum() == first.sum()


def test_full_matrices_are_copied_too() -> None:
    full = np.arange(1, 600 * 600 + 1, dtype=np.float32).reshape(600, 600)
    into = lazy_zeros((700, 700))
    copy_written(full, into)
    np.testing.assert_array_equal(into[:600, :600], full)
    assert not into[600:].any()
    assert not into[:, 600:].any()
