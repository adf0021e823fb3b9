"""What a person asks for in words, mixed into a ranking of candidates.

With q the vector of what is asked for, s its share, and mean and deviation over the candidates::

    score = (1 − s) · score_i + s · max(σ, 1) · (q · v_i − mean(q · v)) / deviation(q · v)

where σ is the standard deviation of the scores, so that what is asked for weighs the same whatever the ranker
has learned. Each family keeps its part, times 1 − s; ``query`` is a part of its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.ranking import Ranking
from models.retrieval.index import ItemIndex

PART = "query"
_LEAST_DEVIATION = 1e-6


def with_asked(index: ItemIndex, ranking: Ranking, asked: NDArray[np.float32], share: float) -> Ranking:
    """The ranking in its new order.

    Args:
        index: Holds the candidates' vectors.
        asked: q, float32 [D] of unit length.
        share: s, 0 to 1; 1 leaves what is asked for alone.
    """
    if not len(ranking):
        return ranking
    # Sums over candidates round alike in every worker, however its rows and scores are ordered.
    by_hash = np.argsort(index.hashes[ranking.rows])
    rows = ranking.rows[by_hash]
    scores, sources = ranking.scores[by_hash], ranking.sources[by_hash]
    similarity = np.vecdot(index.vectors[rows].astype(np.float64), asked.astype(np.float64))
    deviation = max(float(similarity.std()), _LEAST_DEVIATION)
    scale = share * max(float(scores.std()), 1.0) / deviation
    part = scale * (similarity - similarity.mean())
    parts = np.column_stack([(1.0 - share) * ranking.parts[by_hash], part])
    mixed = parts.sum(axis=1)
    order = np.lexsort((index.hashes[rows], -mixed))
    return Ranking(
        rows[order],
        mixed[order],
        (*ranking.part_names, PART),
        parts[order],
        ranking.source_names,
        sources[order],
    )
