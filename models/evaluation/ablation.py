"""What a ranking would be without one of its parts or sources: taken away at serving, nothing is relearned.

Both say how much of today's order rests on a part. They are not what the part is worth: a ranker that is
relearned without it gives its work to the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.ranking import Ranking
from models.evaluation.ranking_metrics import NOT_RANKED


def rank_of(ranking: Ranking, row: int) -> int:
    """The rank of an item from 1, or `NOT_RANKED`."""
    found = np.flatnonzero(ranking.rows == row)
    return int(found[0]) + 1 if len(found) else NOT_RANKED


def ranks_without_parts(ranking: Ranking, rank: int, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The rank of one item where each part in turn is subtracted from every score, int64 [P].

    Args:
        ranking: All candidates.
        rank: Of the item in it, as `rank_of`.
        hashes: Of the candidates, uint64 [n]; they order equal scores.
    """
    if rank == NOT_RANKED:
        return np.full(len(ranking.part_names), NOT_RANKED, np.int64)
    position = rank - 1
    scores = ranking.scores[:, None] - ranking.parts
    own = scores[position]
    before = (scores > own) | ((scores == own) & (hashes < hashes[position])[:, None])
    return np.asarray(before.sum(axis=0) + 1, np.int64)


def ranks_without_sources(ranking: Ranking, rank: int) -> NDArray[np.int64]:
    """The rank of one item where what each source in turn alone proposed is dropped, int64 [S].

    Candidates that another source proposed as well stay. Arguments as `ranks_without_parts`.
    """
    count = len(ranking.source_names)
    if rank == NOT_RANKED:
        return np.full(count, NOT_RANKED, np.int64)
    alone = np.left_shift(np.uint32(1), np.arange(count, dtype=np.uint32))
    dropped = ranking.sources[:rank, None] == alone[None]
    ranks = rank - dropped.sum(axis=0, dtype=np.int64)
    return np.where(dropped[-1], NOT_RANKED, ranks)
