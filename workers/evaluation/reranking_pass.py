"""The same ranking once more, re-ranked: what slots for new items, or diversity, cost and bring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.cascade.person import Person
from models.cascade.ranking import Ranking
from models.evaluation.list_metrics import ListMetrics
from models.evaluation.ranking_metrics import NOT_RANKED
from models.evaluation.segments import HeldOutEvent, SegmentedRanks
from models.reranking import RerankInput, RerankSettings, rerank
from models.retrieval import ItemIndex

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rerankable:
    """A ranking as re-ranking takes it: the same for every pass.

    Attributes:
        rows: Of the index, best first, int64 [n].
        positives: Positive events so far on every row of the index, int64 [rows].
        candidates: What `rerank` takes.
    """

    rows: Rows
    positives: Rows
    candidates: RerankInput

    @classmethod
    def of(cls, index: ItemIndex, ranking: Ranking, positives: Rows, person: Person) -> Rerankable:
        """A contender's ranking for a person."""
        rows = ranking.rows
        numbers = rows.tolist()
        candidates = RerankInput(
            item_ids=tuple(index.item_id(row) for row in numbers),
            scores=ranking.scores,
            vectors=index.vectors[rows],
            hashes=index.hashes[rows],
            attributes=lambda position: index.attributes(numbers[position]),
            positives=positives[rows],
            shown_ms={},
            now_ms=person.now_ms,
        )
        return cls(rows, positives, candidates)


class RerankingPass:
    """Re-ranks each list as ``settings`` say, and measures it as the first pass is measured.

    Args:
        settings: What re-ranking does.
        count: Places of a list: a rank beyond counts as none.
        seed: Of exploration, where it is on.
        diversity_by: Attributes by which the diversity of its lists is measured.
    """

    def __init__(
        self, settings: RerankSettings, count: int, seed: int, diversity_by: tuple[str, ...] = ()
    ) -> None:
        self._settings = settings
        self._count = count
        self._random = np.random.default_rng(seed)
        self.ranks = SegmentedRanks()
        self.lists = ListMetrics(count, diversity_by)

    def add(self, index: ItemIndex, ranked: Rerankable, row: int, event: HeldOutEvent) -> None:
        """Count one event.

        Args:
            index: The catalogue.
            ranked: The ranking of the first pass.
            row: The item that was chosen.
            event: To which segments it belongs.
        """
        items = rerank(ranked.candidates, self._count, self._settings, self._random)
        listed = ranked.rows[[item.position for item in items]] if items else ranked.rows[:0]
        found = np.flatnonzero(listed == row)
        self.ranks.add(int(found[0]) + 1 if len(found) else NOT_RANKED, event)
        self.lists.add(listed, index.vectors, ranked.positives, len(index), index.attributes)

    def values(self) -> dict[str, Any]:
        """As those of the first pass."""
        return {**self.ranks.values(), **self.lists.values()}
