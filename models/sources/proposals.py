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
    while len(found) < budget and wanted:
        best = np.argpartition(-scores, wanted - 1)[:wanted] if wanted < len(scores) else np.arange(wanted)
        best = best[np.lexsort((best, -scores[best]))]
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
    return best[np.lexsort((hashes[best], -scores[best]))][:budget]


def unite(lists: Sequence[Rows], budgets: Sequence[int], limit: int) -> Proposals:
    """One list of candidates from one of each source.

    Of more than ``limit``, those stay that stand highest in some list, by share of its budget; where that is
    the same, those of an earlier list: rows are numbered differently in each worker.
    """
    rows = np.concatenate([np.zeros(0, np.int64), *lists])
    bits = np.concatenate(
        [np.zeros(0, np.uint32), *(np.full(len(one), 1 << at, np.uint32) for at, one in enumerate(lists))]
    )
    place = np.concatenate(
        [
            np.zeros(0),
            *(np.arange(len(one)) / max(budget, 1) for one, budget in zip(lists, budgets, strict=True)),
        ]
    )
    each, inverse = np.unique(rows, return_inverse=True)
    sources = np.zeros(len(each), np.uint32)
    np.bitwise_or.at(sources, inverse, bits)
    if len(each) > limit:
        # Where each row comes first among all entries in the order of their places: no two are equal.
        _, first = np.unique(rows[np.argsort(place, kind="stable")], return_index=True)
        kept = np.sort(np.argsort(first)[:limit])
        each, sources = each[kept], sources[kept]
    return Proposals(each, sources)
