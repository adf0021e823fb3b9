"""What makes lists, as the recommend role sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from models.ranking import ListOrder, ListResult, RankingSettings, make_lists
from models.retrieval import ItemIndex


@dataclass(frozen=True, slots=True)
class MadeList:
    """A list, and what made it."""

    result: ListResult
    model: str
    experiment: str | None = None
    arm: str | None = None


class ListMaker(Protocol):
    """Makes lists."""

    @property
    def lists_at_once(self) -> int:
        """How many lists are best made in one call, ≥ 1; no more than takes some milliseconds."""

    @property
    def wants_shown(self) -> bool:
        """Whether it heeds what was shown before."""

    def make(self, orders: Sequence[ListOrder]) -> list[MadeList]:
        """A list for each.

        Raises:
            ListQueryError: A filter's value is of the wrong type.
        """


class BaseLists:
    """Lists of the base scorer: taste, popularity and freshness, over the whole index.

    Args:
        index: All items; somebody else keeps it current, on the same event loop.
        model: The name that lists carry.
    """

    wants_shown = False
    # One pass over the index serves them all.
    lists_at_once = 8

    def __init__(self, index: ItemIndex, settings: RankingSettings, model: str) -> None:
        self._index = index
        self._settings = settings
        self._model = model

    def make(self, orders: Sequence[ListOrder]) -> list[MadeList]:
        """See `ListMaker.make`. Orders of one call are scored as of the latest of them."""
        if not orders:
            return []
        now_ms = max(order.now_ms for order in orders)
        wanted = [(order.profile, order.query) for order in orders]
        return [
            MadeList(result, self._model)
            for result in make_lists(self._index, wanted, now_ms, self._settings)
        ]
