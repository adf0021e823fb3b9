"""Ranked candidates: what the cascade answers, before re-ranking."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates with scores, and what the scores are made of.

    Attributes:
        rows: Of the item index, int64 [n], best first; equal scores in the order of the items' hashes.
        scores: float64 [n].
        part_names: Families of signals, P of them.
        parts: What each family adds, float64 [n, P]; a row sums to its score.
        source_names: Candidate sources; at most 32.
        sources: Which proposed the item, uint32 [n]: bit s is source s.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    part_names: tuple[str, ...]
    parts: NDArray[np.float64]
    source_names: tuple[str, ...]
    sources: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.rows)
