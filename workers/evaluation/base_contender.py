"""The base ranker under evaluation: taste, popularity and freshness, as `models.ranking` has them."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.cascade.person import Interaction, Person
from models.cascade.ranking import Ranking
from models.profile.taste import taste
from models.ranking import RankingSettings
from models.ranking.scoring import Scorer
from models.ranking.selection import best_first
from models.retrieval import ItemIndex
from models.retrieval.columns import Mask
from streams.errors import DefectError
from streams.settings import RecommendSettings
from workers.evaluation.contender import Moment
from workers.popularity import PopularityFollower
from workers.state.memory_store import MemoryStateStore
from workers.state.store import CounterIncrement, StateChange

T = TypeVar("T")
_PARTS = ("content", "popularity", "freshness", "bias")


class BaseContender:
    """Ranks every eligible item, exactly, in the order of `make_lists`.

    Popularity goes the way that it takes in a deployment, from counters in a state store to the index, at the
    time of the list instead of once a second.

    Args:
        index: The catalogue.
        ranking: Weights of the score's parts.
        recommend: Half-life of popularity.
    """

    name = "base"
    steps = 0

    def __init__(self, index: ItemIndex, ranking: RankingSettings, recommend: RecommendSettings) -> None:
        self._index = index
        self._ranking = ranking
        self._store = MemoryStateStore()
        self._now_s = 0.0
        self._popularity = PopularityFollower(self._store, index, recommend, clock=lambda: self._now_s)
        self._half_life_s = recommend.popularity_half_life_days * 86_400.0

    def rank(self, moment: Moment, eligible: Mask) -> Ranking:
        """See `Contender.rank`."""
        return self.rank_rows(moment, np.flatnonzero(eligible))

    def rank_rows(self, moment: Moment, rows: NDArray[np.int64]) -> Ranking:
        """See `Contender.rank_rows`."""
        now_ms = moment.person.now_ms
        self._now_s = max(self._now_s, now_ms / 1_000)
        _at_once(self._popularity.refresh())
        index, settings = self._index, self._ranking
        own = taste(moment.profile, index.item_rows, index.vectors, now_ms, settings.taste)
        parts = Scorer(index, now_ms, settings).exact(own, rows)
        parts = parts.take(best_first(parts.score, index.hashes[rows], len(rows)))
        bias = np.full(len(rows), settings.bias)
        return Ranking(
            rows=parts.rows,
            scores=parts.score,
            part_names=_PARTS,
            parts=np.column_stack([parts.content, parts.popularity, parts.freshness, bias]),
            source_names=(),
            sources=np.zeros(len(rows), np.uint32),
        )

    def learn(self, moment: Moment, interaction: Interaction, eligible: Mask) -> None:
        """It learns nothing."""

    def observe(self, moment: Moment, interaction: Interaction) -> None:
        """Count the item where the event speaks for it."""
        if interaction.weight > 0:
            at_s = interaction.occurred_at_ms / 1_000
            increment = CounterIncrement(interaction.item_id, interaction.weight, at_s)
            change = StateChange(increments=(increment,), counter_half_life_s=self._half_life_s)
            _at_once(self._store.commit("profile", change))

    def refit_due(self) -> bool:
        """Never."""
        return False

    def refit(self) -> tuple[str, ...]:
        """Nothing is refitted."""
        return ()

    def updates(self) -> Mapping[str, bytes]:
        """Nothing is published."""
        return {}

    def load(self, updates: Mapping[str, bytes]) -> None:
        """Nothing to load."""

    def restart(self, people: Sequence[Person]) -> None:
        """See `Contender.restart`: its counters are in Redis, and outlive a worker."""


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing, as those of a store in memory."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise DefectError("a store in memory has to be waited for")
