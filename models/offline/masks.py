"""Modalities that go missing at serving time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.errors import EvaluationInputError
from models.offline.interface import Features

RANDOM_HALF = "random-half"
_SEED = 3


def check_mask(features: Features, mask: str) -> None:
    """Raise what `masked` would, before anything is fitted."""
    if mask != RANDOM_HALF and mask not in features:
        known = f"there are {', '.join(features)}" if features else "items have none"
        raise EvaluationInputError(f"there is no modality {mask} to take away; {known}")


def masked(features: Features, mask: str, seed: int = _SEED) -> dict[str, NDArray[np.float32]]:
    """The features with some taken away.

    Args:
        features: All of them.
        mask: A modality, which no item then has; or ``random-half``: each item loses half of those that it
            has, drawn at random. Of an odd number the half is rounded up or down by chance; of one modality
            it is kept or lost by chance.
        seed: Of that chance.

    Raises:
        EvaluationInputError: There is no such modality.
    """
    if mask == RANDOM_HALF:
        return _without_half(features, seed)
    check_mask(features, mask)
    return {
        modality: np.zeros_like(vectors) if modality == mask else vectors
        for modality, vectors in features.items()
    }


def only(features: Features, served: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """The features with all modalities but these taken away."""
    return {name: rows if name in served else np.zeros_like(rows) for name, rows in features.items()}


def without_share(features: Features, share: float) -> dict[str, NDArray[np.float32]]:
    """Each feature of each item is gone with this chance, independently: an item may lose all."""
    random = np.random.default_rng(_SEED)
    return {
        name: np.where(random.random(len(rows))[:, None] < share, np.float32(0), rows)
        for name, rows in features.items()
    }


def _without_half(features: Features, seed: int) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    present = np.stack([vectors.any(axis=1) for vectors in features.values()], axis=1)
    counts = present.sum(axis=1)
    lost = (counts + random.integers(0, 2, len(counts)) * (counts % 2)) // 2
    # Those that an item has, in random order, before those that it lacks.
    order = np.argsort(np.where(present, random.random(present.shape), 2.0), axis=1)
    place = np.argsort(order, axis=1)
    is_lost = place < lost[:, None]
    return {
        modality: np.where(is_lost[:, column, None], np.float32(0), vectors)
        for column, (modality, vectors) in enumerate(features.items())
    }
