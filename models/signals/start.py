"""Weights to begin with: sensible lists before anything was learned.

Without experience the cascade ranks as the base scorer does: taste, popularity and freshness by 1 : 0.15 :
0.05, times a scale on which a softmax over candidates is not flat. What people do together counts in the
measure in which much of it is known (the gate `experience`): from few events it would be noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.signals import catalogue, gates

_SCALE = 8.0
# By what a signal is worth as it is, before its spread.
_ALWAYS = {"taste": _SCALE, "popular_share": 0.15 * _SCALE, "fresh": 0.05 * _SCALE}
# By the spread of each signal.
_WITH_EXPERIENCE = {
    "near_fade": 0.2,
    "near_before_ten": 0.1,
    "near_after_ten": 0.1,
    "ever_ten": 0.2,
    "sessions_wide": 0.2,
    "popular_10d": 0.1,
    "popular_at_stage": 0.1,
    "liked_share": 0.1,
    "regression_near": 0.1,
    "sequence": 0.6,
    "item2vec": 0.1,
}


def start_weights(*, with_user_model: bool = False) -> NDArray[np.float32]:
    """W, float32 [gates, signals]; a user model begins at 0, and counts as far as it proves itself."""
    names = catalogue.signal_set(with_user_model=with_user_model).names
    weights = np.zeros((len(gates.NAMES), len(names)), np.float32)
    for name, weight in _ALWAYS.items():
        at = catalogue.POSITION[name]
        weights[gates.NAMES.index("always"), at] = weight * catalogue.SPREADS[at]
    for name, weight in _WITH_EXPERIENCE.items():
        weights[gates.NAMES.index("experience"), catalogue.POSITION[name]] = weight
    return weights
