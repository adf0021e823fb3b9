"""What sources propose, and how their proposals become one list of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


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


def best_rows(scores: NDArray[np.floating], hashes: NDArray[np.uint64], budget: int) -> Rows:
    """Positions of the highest finite scores, best first; equal ones by hash, as workers' rows differ."""
    budget = min(budget, len(scores))
    if not budget:
        return np.zeros(0, np.int64)
    least = np.partition(scores, len(scores) - budget)[len(scores) - budget]
    best = np.flatnonzero((scores >= least) & np.isfinite(scores))
    if len(best) > 2 * budget:
        # Very many stand at the border, as where a catalogue came all at once: no need to sort them all.
        border = best[scores[best] == least]
        border = border[np.argpartition(hashes[border], budget)[:budget]]
        best = np.concatenate([best[scores[best] > least], border])
    return best[np.lexsort((hashes[best], -scores[best]))][:budget]


def unite(lists: Sequence[Rows], budgets: Sequence[int], limit: int) -> Proposals:
    """One list of candidates from one of each source.

    Of more than ``limit``, those stay that stand highest in some list, by share of its budget; where that is
    the same, those of an earlier list: rows are numbered differently in each worker.
    """
    rows = np.concatenate([np.zeros(0, np.int64), *lists])
    place = np.concatenate(
        [
            np.zeros(0),
            *(np.arange(len(one)) / max(budget, 1) for one, budget in zip(lists, budgets, strict=True)),
        ]
    )
    by_row = np.zeros(int(rows.max(initial=-1)) + 1, np.uint32)
    for at, one in enumerate(lists):
        by_row[one] |= np.uint32(1 << at)
    each = np.flatnonzero(by_row)
    if len(each) > limit:
        # Where each row comes first among all entries in the order of their places: no two are equal.
        order = np.argsort(place, kind="stable")
        first = np.zeros(len(by_row), np.int64)
        # Of an index that repeats, the last value is assigned: from behind, the first place.
        first[rows[order[::-1]]] = np.arange(len(order))[::-1]
        each = np.sort(each[np.argsort(first[each])[:limit]])
    return Proposals(each, by_row[each])
