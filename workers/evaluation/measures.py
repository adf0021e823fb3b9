"""Everything that is measured of the rankings of a replay."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.cascade.ranking import Ranking
from models.evaluation.ablation import rank_of, ranks_without_parts, ranks_without_sources
from models.evaluation.bootstrap import interval_over_users
from models.evaluation.list_metrics import ListMetrics
from models.evaluation.ranking_metrics import NOT_RANKED, RankMetrics, hit_rate, ndcg
from models.evaluation.segments import COLD_POSITIVES, HeldOutEvent, RanksOverTime, SegmentedRanks
from models.reranking import RerankSettings
from models.retrieval import ItemIndex
from models.retrieval.columns import Mask
from workers.evaluation.contender import Contender, Moment
from workers.evaluation.reranking_pass import Rerankable, RerankingPass

TAKEN_AWAY = "taken away at serving, not relearned: how much of the order rests on it, not what it is worth"
_HISTOGRAM_EDGES = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A held-out event with its ranking.

    Attributes:
        moment: The person as before the event.
        row: The index's row of the item that was chosen.
        ranking: Of the contender.
        positives: Positive events so far on every row, int64 [rows].
        eligible: Which rows could be listed, bool [rows].
        event: To which segments it belongs.
    """

    moment: Moment
    row: int
    ranking: Ranking
    positives: NDArray[np.int64]
    eligible: Mask
    event: HeldOutEvent


class Measures:
    """Measures held-out events as they come.

    Args:
        index: The catalogue.
        count: Places of a list.
        passes: Name → re-ranking of a further pass over the same rankings.
        window: Held-out events in each point over time.
        seed: Of confidence intervals and exploration.
        diversity_by: Attributes by which the diversity of lists is measured, besides content.
        objectives: Names: events of each are measured apart, too.
    """

    def __init__(
        self,
        index: ItemIndex,
        count: int,
        passes: Mapping[str, RerankSettings],
        window: int,
        seed: int,
        diversity_by: tuple[str, ...] = (),
        objectives: Iterable[str] = (),
    ) -> None:
        self._index = index
        self._seed = seed
        self._settings = dict(passes)
        self.ranks = SegmentedRanks()
        self._lists = ListMetrics(count, diversity_by)
        self._over_time = RanksOverTime(window)
        self._passes = {
            name: RerankingPass(settings, count, seed, diversity_by) for name, settings in passes.items()
        }
        self._by_objective = {name: RankMetrics() for name in objectives}
        self._without_part: dict[str, RankMetrics] = {}
        self._without_source: dict[str, RankMetrics] = {}
        self._new_items = _NewItems()
        self._user_numbers: dict[str, int] = {}
        self._users = array("q")
        self._all_ranks = array("q")

    def add(self, held_out: HeldOut, contender: Contender) -> None:
        """Count one event; ``contender`` ranks new items among each other where the item is one."""
        index, ranking, event = self._index, held_out.ranking, held_out.event
        person = held_out.moment.person
        rank = rank_of(ranking, held_out.row)
        self.ranks.add(rank, event)
        for objective in event.objectives:
            self._by_objective[objective].add(rank)
        self._over_time.add(rank, person.now_ms)
        self._lists.add(ranking.rows, index.vectors, held_out.positives, len(index), index.attributes)
        self._users.append(self._user_numbers.setdefault(person.user_id, len(self._user_numbers)))
        self._all_ranks.append(rank)
        rerankable = Rerankable.of(index, ranking, held_out.positives, person)
        for one in self._passes.values():
            one.add(index, rerankable, held_out.row, event)
        _add_each(
            self._without_part,
            ranking.part_names,
            ranks_without_parts(ranking, rank, index.hashes[ranking.rows]),
        )
        _add_each(self._without_source, ranking.source_names, ranks_without_sources(ranking, rank))
        if event.item_positives < COLD_POSITIVES:
            new = np.flatnonzero(held_out.eligible & (held_out.positives < COLD_POSITIVES))
            self._new_items.add(rank_of(contender.rank_rows(held_out.moment, new), held_out.row), len(new))

    def values(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        ranks, users = np.array(self._all_ranks, np.int64), np.array(self._users, np.int64)
        intervals = {
            name: interval_over_users(users, values, self._seed)
            for name, values in (("hr@20", hit_rate(ranks, 20)), ("ndcg@20", ndcg(ranks, 20)))
        }
        return {
            **self.ranks.values(),
            "objectives": {name: one.values() for name, one in self._by_objective.items()},
            **self._lists.values(),
            "users": len(self._user_numbers),
            "intervals": {name: None if one is None else asdict(one) for name, one in intervals.items()},
            "new_items": self._new_items.values(),
            **{
                name: {**one.values(), "settings": _changed(self._settings[name])}
                for name, one in self._passes.items()
            },
            "ablation": {
                "note": TAKEN_AWAY,
                "parts": {name: one.values() for name, one in self._without_part.items()},
                "sources": {name: one.values() for name, one in self._without_source.items()},
            },
            "over_time": self._over_time.values(),
            "rank_histogram": histogram(ranks),
        }


class _NewItems:
    """The rank of a new item among the new items that could be listed: what content alone can tell."""

    def __init__(self) -> None:
        self._ranks = RankMetrics()
        self._candidates = 0
        self._percentiles = 0.0

    def add(self, rank: int, candidates: int) -> None:
        """Count one event: its item's rank among so many."""
        self._ranks.add(rank)
        self._candidates += candidates
        below = candidates - (candidates if rank == NOT_RANKED else rank)
        self._percentiles += below / (candidates - 1) if candidates > 1 else 0.5

    def values(self) -> dict[str, Any]:
        """Metrics; ``mean_percentile`` is 1 at the top, 0 at the bottom and 0.5 by chance."""
        count = self._ranks.n
        return {
            **self._ranks.values(),
            "mean_candidates": self._candidates / count if count else None,
            "mean_percentile": self._percentiles / count if count else None,
        }


def histogram(ranks: NDArray[np.int64]) -> dict[str, int]:
    """How many ranks lie in each bin, by its bounds; ``not ranked`` apart."""
    found: dict[str, int] = {}
    low = 1
    for high in _HISTOGRAM_EDGES:
        name = str(high) if low == high else f"{low}-{high}"
        found[name] = int(((ranks >= low) & (ranks <= high)).sum())
        low = high + 1
    found[f">{_HISTOGRAM_EDGES[-1]}"] = int((ranks >= low).sum())
    found["not ranked"] = int((ranks == NOT_RANKED).sum())
    return found


def _add_each(metrics: dict[str, RankMetrics], names: tuple[str, ...], ranks: NDArray[np.int64]) -> None:
    for name, rank in zip(names, ranks.tolist(), strict=True):
        found = metrics.get(name)
        if found is None:
            found = metrics[name] = RankMetrics((20,))
        found.add(rank)


def _changed(settings: RerankSettings) -> dict[str, Any]:
    """What a pass does that the list without it does not."""
    usual = asdict(RerankSettings())
    return {name: value for name, value in asdict(settings).items() if value != usual[name]}
