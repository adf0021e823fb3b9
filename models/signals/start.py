"""Weights to begin with: sensible lists before anything was learned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.signals import catalogue, gates

# By the spread of each signal, which makes content about 1.0 of a cosine. Content leads while little is
# known of what people do together; the signals of interactions are all equal then, and add nothing.
_ALWAYS = {
    "text_recent": 0.25,
    "text_liked": 0.25,
    "image_recent": 0.2,
    "audio_recent": 0.2,
    "near_fade": 0.2,
    "near_before_ten": 0.1,
    "near_after_ten": 0.1,
    "ever_ten": 0.2,
    "sessions_wide": 0.2,
    "popular_10d": 0.15,
    "popular_at_stage": 0.1,
    "liked_share": 0.1,
    "created": -0.05,
    "regression_near": 0.1,
    "sequence": 0.8,
    "item2vec": 0.1,
}


def start_weights() -> NDArray[np.float32]:
    """W, float32 [gates, signals]."""
    weights = np.zeros((len(gates.NAMES), len(catalogue.NAMES)), np.float32)
    for name, weight in _ALWAYS.items():
        weights[gates.NAMES.index("always"), catalogue.POSITION[name]] = weight
    return weights
