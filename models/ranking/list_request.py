"""A list for a person: the one entry to ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.profile.state import Profile
from models.profile.taste import Taste, taste, taste_from_seeds, with_asked
from models.ranking.eligibility import ListQuery, eligible_rows, shortfall
from models.ranking.promising import promising_rows
from models.ranking.reasons import ScoredItem, explain
from models.ranking.scoring import RankingSettings, Rows, Scorer
from models.ranking.selection import best_first, near_top
from models.retrieval.columns import Mask
from models.retrieval.index import ItemIndex
from models.retrieval.neighbourhoods import is_large

__all__ = ["ListOrder", "ListQuery", "ListResult", "make_list", "make_lists"]

# Below this share of the index, gathering the rows' vectors is faster than a product with all.
_GATHER_SHARE = 0.125
# People whose scores are computed in one matrix product; bounds its memory.
_PEOPLE_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class ListOrder:
    """A list to be made.

    Attributes:
        profile: Whose; None for a stranger.
        query: What is asked for.
        now_ms: The cause's time.
        context: What the cause says of the situation.
        shown_ms: Item → when it was last shown to this person.
        seed: What is left to chance depends on nothing else: the same order gives the same list.
    """

    profile: Profile | None
    query: ListQuery
    now_ms: int
    context: Mapping[str, Any] = field(default_factory=dict)
    shown_ms: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ListResult:
    """A list, best first. ``shortfall`` says in words why it is not ``complete``; None where it is."""

    items: tuple[ScoredItem, ...]
    complete: bool
    shortfall: str | None = None


def make_list(
    index: ItemIndex,
    profile: Profile | None,
    query: ListQuery,
    now_ms: int,
    settings: RankingSettings,
) -> ListResult:
    """The best items for a person.

    Args:
        index: All items. Of a large one those near the taste, the most popular and the newest are
            compared; see `models.ranking.promising`.
        profile: Whose list; None for a stranger, who gets what is popular and new.
        query: What is asked for.
        now_ms: The cause's time.
        settings: See `RankingSettings`.

    Raises:
        ListQueryError: A filter's value is of the wrong type.
    """
    return make_lists(index, [(profile, query)], now_ms, settings)[0]


def make_lists(
    index: ItemIndex,
    requests: Sequence[tuple[Profile | None, ListQuery]],
    now_ms: int,
    settings: RankingSettings,
) -> list[ListResult]:
    """As `make_list` for several people, whose scores come from one pass over the index."""
    scorer = Scorer(index, now_ms, settings)
    results: list[ListResult] = []
    for begin in range(0, len(requests), _PEOPLE_AT_ONCE):
        lists = [
            _List(index, scorer, profile, query, now_ms, settings)
            for profile, query in requests[begin : begin + _PEOPLE_AT_ONCE]
        ]
        whole = [(number, one.taste) for number, one in enumerate(lists) if one.rows is None]
        tasted = [(number, own) for number, own in whole if own is not None]
        content: dict[int, NDArray[np.float32]] = {}
        if tasted:
            products = scorer.content([own for _, own in tasted])
            content = {number: row for (number, _), row in zip(tasted, products, strict=True)}
        results += [one.make(content.get(number)) for number, one in enumerate(lists)]
    return results


class _List:
    """One list in the making. ``rows`` is None where so many are eligible that all are scored.

    In a large catalogue the promising ones of them are, and all only where those do not fill the list.
    """

    def __init__(
        self,
        index: ItemIndex,
        scorer: Scorer,
        profile: Profile | None,
        query: ListQuery,
        now_ms: int,
        settings: RankingSettings,
    ) -> None:
        self._index = index
        self._scorer = scorer
        self._profile = profile
        self._query = query
        self._settings = settings
        self._mask: Mask = eligible_rows(index, profile, query)
        self.taste = _taste(index, profile, query, now_ms, settings)
        self.rows: Rows | None = None
        self._is_part = False
        if int(np.count_nonzero(self._mask)) < _GATHER_SHARE * index.rows:
            self.rows = np.flatnonzero(self._mask)
        elif is_large(index.rows) and self.taste is not None and settings.content_weight > 0:
            self.rows = promising_rows(index, self.taste.vector, self._mask, query.count)
            self._is_part = True

    def make(self, content: NDArray[np.float32] | None) -> ListResult:
        items = self._items(content)
        if len(items) < self._query.count and self._is_part:
            self.rows, self._is_part = None, False
            items = self._items(None)
        if len(items) == self._query.count:
            return ListResult(items, complete=True)
        words = shortfall(self._index, self._profile, self._query, len(items))
        return ListResult(items, complete=False, shortfall=words)

    def _items(self, content: NDArray[np.float32] | None) -> tuple[ScoredItem, ...]:
        rows = self._near_top(self._scores(content))
        parts = self._scorer.exact(self.taste, rows)
        parts = parts.take(best_first(parts.score, self._index.hashes[rows], self._query.count))
        return explain(self._index, self.taste, parts, self._settings)

    def _scores(self, content: NDArray[np.float32] | None) -> NDArray[np.float32]:
        scores = self._scorer.approximate(self.taste, self.rows, content)
        if self.rows is None:
            scores[~self._mask] = -np.inf
        return scores

    def _near_top(self, scores: NDArray[np.float32]) -> Rows:
        """The rows that may make the list, less those that the profile's filter knows as seen."""
        profile = self._profile
        filtered = profile is not None and profile.seen_filter and self._query.candidates is None
        hashes = self._index.hashes if self.rows is None else self._index.hashes[self.rows]
        wanted = self._query.count
        while True:
            positions = near_top(scores, hashes, wanted, self._scorer.rounding)
            rows = positions if self.rows is None else self.rows[positions]
            if profile is None or not filtered:
                return rows
            unseen = ~profile.has_seen(hashes[positions])
            if int(unseen.sum()) >= self._query.count or wanted >= len(scores):
                return rows[unseen]
            wanted *= 4


def _taste(
    index: ItemIndex, profile: Profile | None, query: ListQuery, now_ms: int, settings: RankingSettings
) -> Taste | None:
    own = _own_taste(index, profile, query, now_ms, settings)
    return own if query.asked is None else with_asked(own, query.asked, settings.asked_share)


def _own_taste(
    index: ItemIndex, profile: Profile | None, query: ListQuery, now_ms: int, settings: RankingSettings
) -> Taste | None:
    if query.seed_items:
        seeds = taste_from_seeds(query.seed_items, index.item_rows, index.vectors)
        if seeds is not None:
            return seeds
    if profile is None:
        return None
    return taste(profile, index.item_rows, index.vectors, now_ms, settings.taste)
