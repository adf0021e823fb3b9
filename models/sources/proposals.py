"""What sources propose, and how their proposals become one list of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
# By so much of a budget a place in an earlier list is better: less than there is between two places.
_EARLIER = 1e-9


@dataclass(frozen=True, slots=True)
class Proposals:
    """Candidates of all sources: index rows, each once, and bit s of ``sources`` for source s."""

    rows: Rows
    sources: NDArray[np.uint32]


def best_eligible(
    scores: NDArray[np.floating], there: Rows, eligible: NDArray[np.bool_], budget: int
) -> Rows:
    """The eligible items of highest score, best first, rows of the index, int64 [≤ budget].

    Args:
        scores: Of items in rows of some model's own, [n]; not eligible where it is −inf.
        there: Such a row → the row of the index, −1 where the item is not in it, int64 [n].
        eligible: By row of the index.
        budget: How many.
    """
    mine = np.flatnonzero(eligible_here(there, eligible) & (scores > -np.inf))
    if len(mine) > budget:
        best = np.argpartition(scores[mine], len(mine) - budget)[len(mine) - budget :]
        # Of equal ones the first come first.
        mine = mine[np.sort(best)]
    return there[mine[np.argsort(-scores[mine], kind="stable")]]


def eligible_here(there: Rows, eligible: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows of a collection may be listed, bool [n]; see `best_eligible`."""
    if not len(eligible):
        return np.zeros(len(there), np.bool_)
    found = eligible.take(there, mode="clip")
    found &= there >= 0
    return found


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
    count = 1 + max((int(one.max()) for one in lists if len(one)), default=-1)
    by_row = np.zeros(count, np.uint32)
    for at, one in enumerate(lists):
        by_row[one] |= np.uint32(1 << at)
    each = by_row.nonzero()[0]
    if len(each) > limit:
        # No two rows have the same key, as a place of a list is one row's.
        key = np.full(count, np.inf)
        for at, (one, budget) in enumerate(zip(lists, budgets, strict=True)):
            place = np.arange(len(one)) / max(budget, 1) + at * _EARLIER
            key[one] = np.minimum(key[one], place)
        each = each[np.sort(np.argpartition(key[each], limit)[:limit])]
    return Proposals(each, by_row[each])
