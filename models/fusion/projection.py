"""Seeded orthonormal projections: the same on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]


def seeded_normals(seed: int, stream: int, rows: int, columns: int) -> NDArray[np.float64]:
    """Standard normal numbers by Box and Muller from PCG64's raw output.

    NumPy keeps the raw output of its bit generators for ever, not the normals of its `Generator`.

    Args:
        seed: Not negative.
        stream: Keeps matrices of one seed apart; not negative.
        rows: Of the result.
        columns: Of the result.

    Returns:
        float64 [rows, columns].
    """
    count = rows * columns
    raw = np.random.PCG64(np.random.SeedSequence([seed, stream])).random_raw(2 * count)
    # 53 random bits, moved half a step off zero so that the logarithm is finite.
    uniform = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    radius = np.sqrt(-2.0 * np.log(uniform[:count]))
    return np.asarray(radius * np.cos(2.0 * np.pi * uniform[count:])).reshape(rows, columns)


def orthonormal_projection(seed: int, stream: int, rows: int, columns: int) -> Matrix:
    """A random matrix whose shorter side is orthonormal, uniform over such matrices.

    With at least as many rows as columns it keeps every length and angle; with fewer it is a random
    orthogonal projection. The Q of a QR decomposition of normals, with R's diagonal made positive so
    that Q is unique (Mezzadri 2007, "How to generate random matrices from the classical compact groups").

    Returns:
        float32 [rows, columns].
    """
    tall, short = max(rows, columns), min(rows, columns)
    q, r = np.linalg.qr(seeded_normals(seed, stream, tall, short))
    q = q * np.sign(np.diag(r))
    return np.ascontiguousarray(q if rows >= columns else q.T, dtype=np.float32)
