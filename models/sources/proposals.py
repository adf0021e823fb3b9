"""What sources propose, and how their proposals become one list of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Proposals:
    """Candidates of all sources: index rows, each once, and bit s of ``sources`` for source s."""

    rows: Rows
    sources: NDArray[np.uint32]


def best_of(scores: NDArray[np.floating], there: Rows, listable: Rows, budget: int) -> Rows:
    """The items of highest score, best first, as rows of the index, int64 [≤ budget].

    Args:
        scores: Of items in rows of some model's own, [n].
        there: Such a row → the row of the index, int64 [n].
        listable: Those that may be chosen, in the model's rows, rising.
        budget: How many.
    """
    mine = scores.take(listable)
    if len(mine) > budget:
        best = mine.argpartition(len(mine) - budget)[len(mine) - budget :]
        # Of equal ones the first come first.
        best.sort()
        listable, mine = listable.take(best), mine.take(best)
    return there.take(listable.take((-mine).argsort(kind="stable")))


def best_rows(scores: NDArray[np.floating], hashes: NDArray[np.uint64], rows: Rows, budget: int) -> Rows:
    """The rows of highest score, best first; equal ones by hash, as workers' rows differ. int64 [≤ budget]

    Args:
        scores: By row.
        hashes: By row.
        rows: Those that may be chosen, int64 [n].
        budget: How many.
    """
    mine = scores.take(rows)
    if len(rows) > budget:
        least = np.partition(mine, len(rows) - budget)[len(rows) - budget]
        best = (mine >= least).nonzero()[0]
        if len(best) > 2 * budget:
            # Very many stand at the border, as where a catalogue came all at once: no need to sort them all.
            above, border = (mine > least).nonzero()[0], (mine == least).nonzero()[0]
            border = border[np.argpartition(hashes[rows[border]], budget)[:budget]]
            best = np.concatenate([above, border])
        rows, mine = rows[best], mine[best]
    return rows[np.lexsort((hashes[rows], -mine))][:budget]


def each_once(rows: Rows) -> Rows:
    """Rows in their order, without those that stood before."""
    _, first = np.unique(rows, return_index=True)
    return rows[np.sort(first)]


def unite(lists: Sequence[Rows], budgets: Sequence[int], limit: int) -> Proposals:
    """One list of candidates from one of each source.

    Of more than ``limit``, those stay that stand highest in some list, by share of its budget; where that is
    the same, those of an earlier list: rows are numbered differently in each worker.
    """
    rows = np.concatenate([np.zeros(0, np.int64), *lists])
    count = int(rows.max(initial=-1)) + 1
    by_row = np.zeros(count, np.uint32)
    for at, one in enumerate(lists):
        by_row[one] |= np.uint32(1 << at)
    each = by_row.nonzero()[0]
    if len(each) > limit:
        # Where each row comes first among all entries in the order of their places: no two are equal. Of an
        # index that repeats, the last value is assigned: from behind, the first place.
        first = np.zeros(count, np.int64)
        order = _last_place_first(tuple(map(len, lists)), tuple(budgets))
        first[rows[order]] = np.arange(len(order) - 1, -1, -1)
        each = each[np.sort(np.argpartition(first[each], limit)[:limit])]
    return Proposals(each, by_row[each])


@lru_cache(maxsize=256)
def _last_place_first(lengths: tuple[int, ...], budgets: tuple[int, ...]) -> Rows:
    """Entries of lists after one another, by their places, the last first, int64 [entries]."""
    places = [np.arange(length) / max(budget, 1) for length, budget in zip(lengths, budgets, strict=True)]
    order = np.argsort(np.concatenate(places), kind="stable")[::-1]
    order.setflags(write=False)
    return order
