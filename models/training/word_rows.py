"""The rows of a text encoder's table as they are stored: int8 with a scale a row."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

GRAPH_NAME: Final = "text-distilled"
"""Of every graph that sums word-piece vectors as `text_graph` makes it."""
TABLE, SCALE = "table", "scale"

Floats = NDArray[np.float32]


def quantised_rows(table: NDArray[np.floating]) -> tuple[NDArray[np.int8], Floats]:
    """int8 [words, d] and the scale of each row, float32 [words]: their product is the table, nearly."""
    scale = np.maximum(np.abs(table).max(axis=1), 1e-12) / 127
    return np.round(table / scale[:, None]).astype(np.int8), scale.astype(np.float32)
