"""What sources propose, and how their proposals become one list of candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
# Items beyond a budget that are looked at, as many of the best are known to the person already.
_SPARE = 200


@dataclass(frozen=True, slots=True)
class Proposals:
    """Candidates of all sources: index rows, each once, and bit s of ``sources`` for source s."""

    rows: Rows
    sources: NDArray[np.uint32]


def best_eligible(
    scores: NDArray[np.floating],
    index_rows: Callable[[Rows], Rows],
    eligible: NDArray[np.bool_],
    budget: int,
) -> Rows:
    """The eligible items of highest score, best first, int64 [≤ budget].

    Args:
        scores: Of items in rows of some model's own, [n].
        index_rows: Such rows → rows of the index, −1 where the item is not in it.
        eligible: By row of the index.
        budget: How many.
    """
    found = np.zeros(0, np.int64)
    wanted = min(len(scores), 2 * budget + _SPARE)
    falling = -scores
    while len(found) < budget and wanted:
        if wanted < len(scores):
            best = np.sort(np.argpartition(falling, wanted - 1)[:wanted])
        else:
            best = np.arange(wanted)
        best = best[np.argsort(falling[best], kind="stable")]
        rows = index_rows(best)
        rows = rows[(rows >= 0) & (rows < len(eligible))]
        found = rows[eligible[rows]]
        if wanted == len(scores):
            break
        wanted = min(len(scores), 4 * wanted)
    return found[:budget]


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
