"""From ranked candidates to a list: eligibility before the cascade, re-ranking and reasons after it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.cascade.person import Person
from models.cascade.ranking import Ranking
from models.profile.state import Profile, new_profile
from models.ranking.eligibility import eligible_rows, shortfall
from models.ranking.list_request import ListOrder, ListResult, make_list
from models.ranking.reasons import Reason, ScoredItem
from models.ranking.scoring import RankingSettings
from models.reranking import RerankedItem, RerankInput, RerankSettings, rerank
from models.retrieval.columns import Mask
from models.retrieval.index import ItemIndex

Rows = NDArray[np.int64]


class Ranks(Protocol):
    """What ranks candidates. See `models.cascade.cascade.Cascade`."""

    def rank(
        self,
        person: Person,
        eligible: Mask,
        budgets: Mapping[str, int] | None = None,
        objectives: Mapping[str, float] | None = None,
    ) -> Ranking:
        """Candidates of every source."""

    def rank_rows(self, person: Person, rows: Rows, objectives: Mapping[str, float] | None = None) -> Ranking:
        """Just these rows."""

    def explain(self, person: Person, ranking: Ranking, positions: Sequence[int]) -> list[tuple[Reason, ...]]:
        """The reasons of some candidates' scores."""

    def positives(self, rows: Rows) -> NDArray[np.int64]:
        """Positive events of these index rows so far, int64 [n]."""


@dataclass(frozen=True, slots=True)
class ListSettings:
    """How lists are made of what the cascade ranks.

    Attributes:
        candidates: Where no more items than this are eligible, all of them are ranked.
        budgets: Source → candidates, over the cascade's own.
        objectives: Objective → how much it counts; None: as the cascade's settings have it.
        base: For lists that shall resemble given items, and to fill lists that the sources cannot.
    """

    candidates: int = 400
    budgets: Mapping[str, int] = field(default_factory=dict)
    objectives: Mapping[str, float] | None = None
    rerank: RerankSettings = field(default_factory=RerankSettings)
    base: RankingSettings = field(default_factory=RankingSettings)


def cascade_list(index: ItemIndex, cascade: Ranks, order: ListOrder, settings: ListSettings) -> ListResult:
    """A list for a person.

    A list with seeds is about what these have in common, so the base scorer makes it.

    Raises:
        ListQueryError: A filter's value is of the wrong type.
    """
    query = order.query
    if query.seed_items:
        return make_list(index, order.profile, query, order.now_ms, settings.base)
    profile = order.profile or new_profile("")
    eligible = eligible_rows(index, profile, query)
    person = Person.of(profile, order.now_ms, order.context, query.asked)
    ranking = _without_filtered(
        index, profile, _ranked(index, cascade, person, eligible, order, settings), named=query.candidates
    )
    chosen = rerank(
        _rerank_input(index, cascade, ranking, order),
        query.count,
        settings.rerank,
        np.random.default_rng(order.seed),
    )
    reasons = cascade.explain(person, ranking, [one.position for one in chosen])
    # The last action on each past item, which reasons name.
    actions = {entry.item_id: entry.action for entry in profile.history}
    items = tuple(_item(index, ranking, one, why, actions) for one, why in zip(chosen, reasons, strict=True))
    if len(items) == query.count:
        return ListResult(items, complete=True)
    return ListResult(items, complete=False, shortfall=shortfall(index, order.profile, query, len(items)))


def _ranked(
    index: ItemIndex,
    cascade: Ranks,
    person: Person,
    eligible: Mask,
    order: ListOrder,
    settings: ListSettings,
) -> Ranking:
    query = order.query
    if query.candidates is not None or np.count_nonzero(eligible) <= settings.candidates:
        return cascade.rank_rows(person, np.flatnonzero(eligible), settings.objectives)
    ranking = cascade.rank(person, eligible, settings.budgets or None, settings.objectives)
    if len(ranking) >= query.count:
        return ranking
    # Sources that know of too few eligible items, as where a filter is narrow: the base scorer's join them.
    base = make_list(index, order.profile, query, order.now_ms, settings.base)
    known = set(ranking.rows.tolist())
    more = [row for row in index.rows_of(item.item_id for item in base.items).tolist() if row not in known]
    rows = np.concatenate([ranking.rows, np.array(more, np.int64)])
    return cascade.rank_rows(person, rows, settings.objectives)


def _without_filtered(
    index: ItemIndex, profile: Profile, ranking: Ranking, *, named: Sequence[str] | None
) -> Ranking:
    """Less those that only the profile's Bloom filter knows as seen."""
    if named is not None or not profile.seen_filter:
        return ranking
    kept = ~profile.has_seen(index.hashes[ranking.rows])
    return Ranking(
        ranking.rows[kept],
        ranking.scores[kept],
        ranking.part_names,
        ranking.parts[kept],
        ranking.source_names,
        ranking.sources[kept],
    )


def _rerank_input(index: ItemIndex, cascade: Ranks, ranking: Ranking, order: ListOrder) -> RerankInput:
    rows = ranking.rows
    numbers = rows.tolist()
    return RerankInput(
        item_ids=index.item_ids(numbers),
        scores=ranking.scores,
        vectors=index.vectors[rows],
        hashes=index.hashes[rows],
        attributes=lambda position: index.attributes(numbers[position]),
        positives=cascade.positives(rows),
        shown_ms=order.shown_ms,
        now_ms=order.now_ms,
    )


def _item(
    index: ItemIndex,
    ranking: Ranking,
    chosen: RerankedItem,
    reasons: Sequence[Reason],
    actions: Mapping[str, str],
) -> ScoredItem:
    named = [
        reason
        if reason.item_id is None
        else msgspec.structs.replace(reason, action=actions.get(reason.item_id))
        for reason in reasons
    ]
    moves = [Reason(kind, contribution) for kind, contribution in chosen.contributions]
    # 0 but where a rule changed the score.
    changed = math.fsum(move.contribution for move in moves)
    return ScoredItem(
        index.item_id(int(ranking.rows[chosen.position])),
        float(ranking.scores[chosen.position]) + changed,
        (*named, *moves),
        chosen.propensity,
    )
