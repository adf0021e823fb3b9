"""Vectors in two dimensions: their principal components.

With the n centred vectors as rows of X, the axes are the eigenvectors of XᵀX / n with the largest
eigenvalues λ, and an axis explains λ / Σλ of the variance (Pearson 1901; Jolliffe, Principal Component
Analysis, 2002, chapter 1). Nothing is tuned, distances along an axis mean the same everywhere, and what the
two axes leave out is told by the shares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AXES = 2


@dataclass(frozen=True, slots=True)
class Projection:
    """Two axes.

    Attributes:
        mean: Of the vectors, float64 [D].
        axes: Orthonormal, float64 [2, D].
        explained: Share of the variance along each axis, float64 [2], 0 to 1.
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    explained: NDArray[np.float64]

    def project(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Vectors [n, D] on the axes, float64 [n, 2]."""
        return np.asarray((vectors - self.mean) @ self.axes.T)


def principal_axes(vectors: NDArray[np.floating]) -> Projection:
    """The two principal axes of vectors [n, D], D ≥ 2; of one or none, any axes that explain nothing.

    The sign of an axis is such that its entry of the largest magnitude is positive, so that a picture does
    not flip when a vector is added.
    """
    rows, dimension = vectors.shape
    x = vectors.astype(np.float64)
    mean = x.mean(axis=0) if rows else np.zeros(dimension)
    x = x - mean
    values, columns = np.linalg.eigh(x.T @ x / max(1, rows))
    axes = columns[:, ::-1][:, :AXES].T
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.where(axes[np.arange(AXES), largest] < 0, -1.0, 1.0)[:, None]
    total = float(values.sum())
    explained = np.maximum(values[::-1][:AXES], 0.0) / total if total > 1e-12 else np.zeros(AXES)
    return Projection(mean, axes, explained)
