"""Vectors that come with an item, in place of its text or media."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.errors import InvalidError, UnknownEncoderError
from streams.fields import Modality
from streams.messages import Item


def caller_vector(item: Item, modality: Modality, encoder_name: str, dimension: int) -> NDArray[np.float32]:
    """The item's vector of a modality, float32 [dimension], little-endian, of unit length.

    Raises:
        UnknownEncoderError: It is of another encoder than the one in use.
        InvalidError: It has another dimension, or no direction.
    """
    given = item.vectors[modality]
    if given.encoder != encoder_name:
        raise UnknownEncoderError(
            f"`vectors.{modality}.encoder` is `{given.encoder}`; this deployment uses "
            f"`{encoder_name}` for {modality}"
        )
    if len(given.values) != dimension:
        raise InvalidError(
            f"`vectors.{modality}.values` has {len(given.values)} numbers; `{encoder_name}` makes {dimension}"
        )
    vector = np.asarray(given.values, np.float64)
    length = float(np.linalg.norm(vector))
    if not (np.isfinite(length) and length > 0):
        raise InvalidError(f"`vectors.{modality}.values` has no direction: its length is {length}")
    return (vector / length).astype("<f4")
