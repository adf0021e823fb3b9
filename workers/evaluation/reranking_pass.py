"""The same ranking once more, re-ranked: what slots for new items, or diversity, cost and bring."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.cascade.ranking import Ranking
from models.evaluation.list_metrics import ListMetrics
from models.evaluation.ranking_metrics import NOT_RANKED
from models.evaluation.segments import HeldOutEvent, SegmentedRanks
from models.reranking import RerankInput, RerankSettings, rerank
from models.retrieval import ItemIndex

Rows = np.ndarray[Any, np.dtype[np.int64]]


class RerankingPass:
    """Re-ranks each list as ``settings`` say, and measures it as the first pass is measured.

    Args:
        settings: What re-ranking does.
        count: Places of a list: a rank beyond counts as none.
        seed: Of exploration, where it is on.
    """

    def __init__(self, settings: RerankSettings, count: int, seed: int) -> None:
        self._settings = settings
        self._count = count
        self._random = np.random.default_rng(seed)
        self.ranks = SegmentedRanks()
        self.lists = ListMetrics(count)

    def add(
        self, index: ItemIndex, ranking: Ranking, positives: Rows, row: int, event: HeldOutEvent, now_ms: int
    ) -> None:
        """Count one event.

        Args:
            index: The catalogue.
            ranking: Of the first pass.
            positives: Positive events so far on every row of the index, int64 [rows].
            row: The item that was chosen.
            event: To which segments it belongs.
            now_ms: The time of the list.
        """
        listed = reranked_rows(index, ranking, positives, self._settings, self._count, now_ms, self._random)
        found = np.flatnonzero(listed == row)
        self.ranks.add(int(found[0]) + 1 if len(found) else NOT_RANKED, event)
        self.lists.add(listed, index.vectors, positives, len(index))

    def values(self) -> dict[str, Any]:
        """As those of the first pass."""
        return {**self.ranks.values(), **self.lists.values()}


def reranked_rows(
    index: ItemIndex,
    ranking: Ranking,
    positives: Rows,
    settings: RerankSettings,
    count: int,
    now_ms: int,
    random: np.random.Generator,
) -> Rows:
    """The rows of a re-ranked list, first place first, int64 [≤ count]; arguments as `RerankingPass.add`."""
    rows = ranking.rows
    candidates = RerankInput(
        item_ids=tuple(index.item_id(row) for row in rows.tolist()),
        scores=ranking.scores,
        vectors=index.vectors[rows],
        hashes=index.hashes[rows],
        attributes=lambda position: {},
        positives=positives[rows],
        shown_ms={},
        now_ms=now_ms,
    )
    items = rerank(candidates, count, settings, random)
    return rows[[item.position for item in items]] if items else rows[:0]
