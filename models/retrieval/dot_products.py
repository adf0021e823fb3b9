"""Dot products of some rows of a matrix with one vector, without a copy of all of these rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# So many stay in the processor's cache between being gathered and being multiplied.
_BLOCK_ROWS = 512


def dot_products(
    vectors: NDArray[np.float32], rows: NDArray[np.int64], direction: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The dot product of each of these rows with a vector, float32 [n].

    A row's result does not depend on the place at which it stands.

    Args:
        vectors: float32 [rows, D].
        rows: Which, each within the matrix, int64 [n].
        direction: float32 [D].
    """
    found = np.empty(len(rows), np.float32)
    gathered = np.empty((min(len(rows), _BLOCK_ROWS), vectors.shape[1]), np.float32)
    for begin in range(0, len(rows), _BLOCK_ROWS):
        block = rows[begin : begin + _BLOCK_ROWS]
        # Told to clip, it writes to where it is to be; to be able to raise it would make a copy first.
        own = vectors.take(block, axis=0, out=gathered[: len(block)], mode="clip")
        np.vecdot(own, direction, out=found[begin : begin + len(block)])
    return found
