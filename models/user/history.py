"""A person's past as user models read it: vectors, weights and ages, without any item's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.errors import DimensionError


@dataclass(frozen=True, slots=True)
class UserHistory:
    """Entries of which the item has a vector, oldest first.

    Attributes:
        vectors: Of the items, float32 [n, D] of unit length.
        weights: What was done with each says so much of the person's taste, float32 [n]; below 0: against it.
        ages_s: Before the moment that is asked for, float64 [n], never rising, none below 0.
    """

    vectors: NDArray[np.float32]
    weights: NDArray[np.float32]
    ages_s: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def of(
        cls,
        rows: NDArray[np.int64],
        matrix: NDArray[np.float32],
        weights: NDArray[np.float32],
        ages_s: NDArray[np.float64],
    ) -> Self:
        """The history behind entries in any order; those of one age stay in the order given.

        Args:
            rows: Of ``matrix``, −1 where the item is not known, int64 [n].
            matrix: Item vectors of unit length, float32 [rows, D]; zero where an item has none. An entry of
                such an item is left out: it counts from when its vector is known.
            weights: float32 [n].
            ages_s: float64 [n]; what lies after the moment counts as of the moment.

        Raises:
            DimensionError: The arrays do not belong together.
        """
        if not (rows.shape == weights.shape == ages_s.shape and rows.ndim == 1 and matrix.ndim == 2):
            raise DimensionError(
                f"a history needs as many rows as weights and ages; got {rows.shape}, {weights.shape} and "
                f"{ages_s.shape} of vectors {matrix.shape}"
            )
        known = np.flatnonzero(rows >= 0)
        vectors = matrix[rows[known]]
        told = np.flatnonzero(vectors.any(axis=1))
        known, vectors = known[told], vectors[told]
        ages_s = np.maximum(ages_s[known], 0.0)
        order = np.argsort(-ages_s, kind="stable")
        return cls(vectors[order], weights[known][order], ages_s[order])
