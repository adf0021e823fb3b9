"""A data set as a matrix: who took what, with the content of items as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

TRAIN, VALIDATION, TEST = 0, 1, 2
"""What a part of an official split is called in `InteractionData.parts`."""


@dataclass(frozen=True, slots=True)
class Histories:
    """What people did one after another, also what they disliked or did again, as profiles remember it.

    Attributes:
        users: int64 [n], rising.
        items: int64 [n].
        weights: What the action says of taste, float32 [n].
        times_ms: Milliseconds since the epoch, int64 [n], not falling within a person.
        as_of_ms: When people are looked at; None: each at the moment of their newest event.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    weights: NDArray[np.float32]
    times_ms: NDArray[np.int64]
    as_of_ms: int | None = None

    def __len__(self) -> int:
        return len(self.users)

    def only(self, is_kept: NDArray[np.bool_], as_of_ms: int | None = None) -> Histories:
        """Some of the entries."""
        return Histories(
            self.users[is_kept], self.items[is_kept], self.weights[is_kept], self.times_ms[is_kept], as_of_ms
        )


@dataclass(frozen=True, slots=True)
class InteractionData:
    """Interactions that count as positive, each pair of a person and an item once.

    Attributes:
        name: Of the data set.
        users: How many people there are; pairs name them from 0.
        items: How many items there are; likewise.
        pairs: Person and item of each interaction, int64 [n, 2], no pair twice.
        times_ms: When it happened first, milliseconds since the epoch, int64 [n]; None where that is not
            known.
        parts: `TRAIN`, `VALIDATION` or `TEST` of each pair, int8 [n]; None without an official split.
        features: Modality → float32 [items, D]; a row of zeros: the item does not have it.
        class_names: Of the classes that items belong to, such as genres; () where there are none.
        classes: Whether an item belongs to a class, bool [items, classes].
        histories: All that is known of order and time; None without times.
    """

    name: str
    users: int
    items: int
    pairs: NDArray[np.int64]
    times_ms: NDArray[np.int64] | None = None
    parts: NDArray[np.int8] | None = None
    features: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    classes: NDArray[np.bool_] | None = None
    histories: Histories | None = None
