"""What is asked for in words, as one vector in the space of the items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
# Of what is not wanted, the part that is subtracted.
_UNWANTED = 0.5
_MIN_NORM = 1e-6


def asked_vector(wanted: Vector | None, unwanted: Sequence[Vector]) -> Vector | None:
    """What is wanted, turned away from what is not.

    Of each unwanted vector n only what it does not share with the wanted one w counts, as "piano, no vocals"
    is about music either way: ``w − ½ mean(n − (n · w) w)``, brought to unit length.

    Args:
        wanted: Fused vector of what is wanted, float32 [D] of unit length; None where nothing is said of it.
        unwanted: Likewise, of each thing that is not.

    Returns:
        float32 [D] of unit length; None where there is nothing to go by.
    """
    if not unwanted:
        return wanted
    mean = np.mean(np.stack(unwanted), axis=0, dtype=np.float64)
    if wanted is None:
        direction = -mean
    else:
        wide = wanted.astype(np.float64)
        direction = wide - _UNWANTED * (mean - float(mean @ wide) * wide)
    length = float(np.linalg.norm(direction))
    return None if length < _MIN_NORM else np.asarray(direction / length, np.float32)
