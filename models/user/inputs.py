"""What the sequence model is told of each entry besides its item's vector; in training as in serving.

======================  ==================================================
column                  value
======================  ==================================================
weight                  w / 2, within [−1.5, 1.5]
liked, disliked         1 where w is above, or below 0
after                   log(1 + seconds since the entry before) / 10; 0 for the first
until                   log(1 + seconds until the next entry, or until now) / 10
ago                     log(1 + seconds before now) / 10
======================  ==================================================
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("weight", "liked", "disliked", "after", "until", "ago")
AGO = COLUMNS.index("ago")
_HIGHEST_WEIGHT = 1.5
_LOG_SCALE = 10.0


def entry_inputs(weights: NDArray[np.float32], ages_s: NDArray[np.float64]) -> NDArray[np.float32]:
    """What is told of entries, float32 [n, 6].

    Args:
        weights: float32 [n], oldest first.
        ages_s: float64 [n], never rising.
    """
    found = np.zeros((len(weights), len(COLUMNS)), np.float32)
    if not len(weights):
        return found
    found[:, 0] = np.clip(weights / 2.0, -_HIGHEST_WEIGHT, _HIGHEST_WEIGHT)
    found[:, 1] = weights > 0
    found[:, 2] = weights < 0
    gaps_s = ages_s[:-1] - ages_s[1:]
    found[1:, 3] = log_seconds(gaps_s)
    found[:-1, 4] = log_seconds(gaps_s)
    found[-1, 4] = log_seconds(ages_s[-1:])[0]
    found[:, AGO] = log_seconds(ages_s)
    return found


def log_seconds(seconds: NDArray[np.float64]) -> NDArray[np.float32]:
    """log(1 + s) / 10, float32; below 0 counts as 0."""
    return np.asarray(np.log1p(np.maximum(seconds, 0.0)) / _LOG_SCALE, np.float32)
