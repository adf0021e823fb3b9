"""Items' vectors as they are when modalities go missing, for models that read vectors and not features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.offline.interface import Features
from models.offline.masks import RANDOM_HALF, masked
from models.offline.user_models import Fuse

Views = Callable[[int], list[NDArray[np.float32]]]
"""A seed to vectors of all items, float32 [items, D] each; zero where nothing is left of an item."""


def no_views(seed: int) -> list[NDArray[np.float32]]:
    """Of items that always have all that they are to have."""
    return []


def views_without(fuse: Fuse, features: Features) -> Views:
    """Vectors without each modality in turn, and one without a random half of what each item has.

    Only the last depends on the seed. Where there is one modality there are none: nothing would be left.
    """
    if len(features) < 2:
        return no_views
    without_one = [fuse(masked(features, modality)) for modality in features]

    def views(seed: int) -> list[NDArray[np.float32]]:
        return [*without_one, fuse(masked(features, RANDOM_HALF, seed))]

    return views
