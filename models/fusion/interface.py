"""What every fusion offers, fixed or trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Modality = Literal["text", "image", "audio", "video"]
MODALITIES: tuple[Modality, ...] = ("text", "image", "audio", "video")
Vector = NDArray[np.float32]


class Fusion(Protocol):
    """Makes one vector of whatever modalities an item has."""

    @property
    def space(self) -> str:
        """Name of the vector space: vectors compare only within one."""

    @property
    def dimension(self) -> int:
        """Length of a fused vector."""

    def fuse(self, features: Mapping[Modality, Vector]) -> Vector | None:
        """Fuse the features of one item.

        Args:
            features: Modality → float32 [dimension of that modality's encoder], any subset.

        Returns:
            float32 [dimension] of unit length, or None where nothing is present or all is zero.

        Raises:
            DimensionError: A modality without an encoder here, or a feature of another shape.
            EncoderOutputError: A feature holds a number that is not finite.
        """

    def fuse_batch(self, batch: Sequence[Mapping[Modality, Vector]]) -> list[Vector | None]:
        """Fuse the features of many items; as `fuse` for each, in order."""
