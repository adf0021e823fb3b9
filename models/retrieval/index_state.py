"""The items of an index as plain arrays: what is written down of it, and read again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.retrieval.columns import Mask

_decode: Callable[[bytes], dict[str, Any]] = msgspec.msgpack.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class IndexState:
    """Items, each once, in the order of their rows.

    Attributes:
        item_ids: n of them.
        attributes: Of each, as MessagePack.
        vectors: Of unit length, or zeros where an item has none, float16 [n, D]: as `item-vectors` has them.
        available: bool [n].
        created_at_ms: Milliseconds since the epoch, int64 [n].
    """

    item_ids: list[str]
    attributes: list[bytes]
    vectors: NDArray[np.float16]
    available: Mask
    created_at_ms: NDArray[np.int64]

    def check(self, dimension: int) -> None:
        """Whether an index of this dimension can hold them.

        Raises:
            ValueError: Says what is wrong.
        """
        count = len(self.item_ids)
        if self.vectors.shape != (count, dimension):
            raise ValueError(f"vectors {list(self.vectors.shape)} instead of {[count, dimension]}")
        if not (len(self.attributes) == len(self.available) == len(self.created_at_ms) == count):
            raise ValueError("not as many attributes, times or availabilities as items")
        if len(set(self.item_ids)) != count:
            raise ValueError("an item is there twice")
        if not np.isfinite(self.vectors).all():
            raise ValueError("a vector holds a number that is not finite")

    def attribute_names(self) -> Counter[str]:
        """How many items have each attribute.

        Raises:
            ValueError: An item's attributes are no MessagePack of names and values.
        """
        found: Counter[str] = Counter()
        try:
            for encoded in self.attributes:
                found.update(_decode(encoded).keys())
        except msgspec.MsgspecError as error:
            raise ValueError(f"attributes cannot be read: {error}") from error
        return found
