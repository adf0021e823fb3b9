"""A person's entries as the sequence model reads them: in buckets of time, place and count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

GAP_EDGES: Ints = np.array(
    [1, 6, 16, 31, 61, 121, 301, 601, 1801, 3601, 14401, 86401, 259201, 604801, 2592001], np.int64
)
#: Upper edges (exclusive) of the buckets of positions, counted 1, 2, … from the newest entry.
POSITION_EDGES: Ints = np.array([2, 3, 4, 5, 6, 8, 11, 16, 21, 31, 51, 101, 201], np.int64)
GAPS = len(GAP_EDGES) + 1
POSITIONS = len(POSITION_EDGES) + 1
GRADES = 6
COUNTS = 48


@dataclass(frozen=True, slots=True)
class History:
    """One person's entries, oldest first.

    `items` int64 [t] rows; `grades` int64 [t] in 0..5; `times_ms` int64 [t], not decreasing;
    `first_target`: entries from here on are training targets, earlier ones are context only;
    `earlier`: how many entries this person had before the first one given.
    """

    items: Ints
    grades: Ints
    times_ms: Ints
    first_target: int = 0
    earlier: int = 0


def count_bucket(counts: Ints) -> Ints:
    """Bucket int64 of how many entries a person has had: exact to 19, then four a doubling; -1: unknown."""
    large = 20 + (np.log2(np.maximum(counts, 20) / 20) * 4).astype(np.int64)
    known = np.where(counts < 20, counts, np.minimum(large, COUNTS - 2))
    return np.where(counts < 0, COUNTS - 1, known).astype(np.int64)
