"""Ranks in the whole catalogue, for many people at once: nothing is sampled.

Of each person with something held out, all items that the person has not taken yet are candidates, and every
held-out item gets its rank among them. Sampled candidates would change the order of methods (Krichene and
Rendle 2020, "On sampled metrics for item recommendation").

Items of equal score are put in a fixed random order. The order of rows will not do: data sets number their
items by time or by popularity, and a model that says nothing would be credited with what the numbers say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.errors import EvaluationInputError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Scorer: TypeAlias = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Rows of people, int64 [n], to scores, float32 [n, items]."""
OnProgress = Callable[[int, int], None]
NO_ITEM = -1
"""What fills a list that has fewer candidates than places."""
# Scores and sort keys of a block take 12 bytes an entry. Larger blocks double the time, for fresh pages.
_BLOCK_BYTES = 8 * 2**20
_TIE_SEED = 20_261_125


@dataclass(frozen=True, slots=True)
class Rankings:
    """Where held-out items rank, and what people would be shown.

    Attributes:
        users: People with at least one held-out item among their candidates, as rows, int64 [n].
        owner: To which of ``users`` each held-out item belongs, rising, int64 [m].
        items: The held-out items as columns, int64 [m].
        ranks: Their ranks from 1, rising within a person, int64 [m].
        candidates: Items that each of ``users`` could be shown, int64 [n].
        lists: The first items of each, best first, int64 [n, depth]; `NO_ITEM` where there are no more.
    """

    users: NDArray[np.int64]
    owner: NDArray[np.int64]
    items: NDArray[np.int64]
    ranks: NDArray[np.int64]
    candidates: NDArray[np.int64]
    lists: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.users)

    @property
    def relevant(self) -> NDArray[np.int64]:
        """How many held-out items each of ``users`` has, int64 [n], ≥ 1."""
        return np.bincount(self.owner, minlength=len(self.users))


def rank_all(
    scorer: Scorer,
    target: csr_array,
    seen: csr_array,
    *,
    depth: int = 20,
    allowed: NDArray[np.bool_] | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> Rankings:
    """Rank the whole catalogue for each person with something held out.

    Args:
        scorer: Scores blocks of people.
        target: What is held out, [users, items]; entries that are also seen or not allowed are left out.
        seen: What each person took before, [users, items]: no candidates.
        depth: Places of each list.
        allowed: The only candidates, bool [items]; None for all.
        on_progress: Told of how many people the ranks are known, and of how many there are.

    Raises:
        EvaluationInputError: Scores of another shape, or not finite.
    """
    items = target.shape[1]
    candidate_items = np.ones(items, np.bool_) if allowed is None else allowed
    ties = np.random.default_rng(_TIE_SEED).permutation(items).astype(np.uint64)
    waiting = np.flatnonzero(np.diff(target.indptr))
    block = max(1, _BLOCK_BYTES // (12 * items))
    parts: list[Rankings] = []
    users_before = 0
    for begin in range(0, len(waiting), block):
        users = waiting[begin : begin + block].astype(np.int64)
        is_candidate = np.broadcast_to(candidate_items, (len(users), items)).copy()
        is_candidate[_entries(seen, users)] = False
        keys = _sort_keys(_checked(scorer(users), len(users), items), ties)
        # A key of 0 is below that of any score.
        keys[~is_candidate] = 0
        part = _ranked(users, keys, is_candidate, _entries(target, users), min(depth, items))
        parts.append(_numbered_from(part, users_before))
        users_before += len(part)
        on_progress(min(begin + block, len(waiting)), len(waiting))
    return _joined(parts, min(depth, items))


def _ranked(
    users: NDArray[np.int64],
    keys: NDArray[np.uint64],
    is_candidate: NDArray[np.bool_],
    held_out: tuple[NDArray[np.int64], NDArray[np.int64]],
    depth: int,
) -> Rankings:
    rows, columns = held_out
    is_ranked = is_candidate[rows, columns]
    rows, columns = rows[is_ranked], columns[is_ranked]
    # No two keys of a row are the same, so that those not below one count up to its rank.
    ranks = np.array(
        [
            np.count_nonzero(keys[row] >= keys[row, column])
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        ],
        np.int64,
    )
    order = np.lexsort((ranks, rows))
    rows, columns, ranks = rows[order], columns[order], ranks[order]
    kept, owner = np.unique(rows, return_inverse=True)
    keys = keys[kept]
    first = np.argpartition(keys, -depth, axis=1)[:, -depth:]
    first_keys = np.take_along_axis(keys, first, axis=1)
    by_key = np.argsort(first_keys, axis=1)[:, ::-1]
    lists = np.take_along_axis(first, by_key, axis=1).astype(np.int64)
    lists[np.take_along_axis(first_keys, by_key, axis=1) == 0] = NO_ITEM
    return Rankings(
        users=users[kept],
        owner=owner.astype(np.int64),
        items=columns,
        ranks=ranks,
        candidates=is_candidate[kept].sum(axis=1),
        lists=lists,
    )


def _sort_keys(scores: NDArray[np.float32], ties: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Whole numbers ≥ 1 in the order of scores, and of ``ties`` where these are equal: no two the same."""
    # −0 and 0 are equal and must have one pattern of bits.
    bits = (scores + np.float32(0)).view(np.uint32)
    is_negative = bits >> 31 == 1
    # Bits of floats rise with their value; of negative ones they fall (IEEE 754).
    ordered = np.where(is_negative, ~bits, bits | np.uint32(0x8000_0000)).astype(np.uint64)
    keys: NDArray[np.uint64] = (ordered << np.uint64(32)) | ties
    return keys


def _checked(scores: NDArray[np.float32], users: int, items: int) -> NDArray[np.float32]:
    if scores.shape != (users, items):
        raise EvaluationInputError(f"scores have the shape {scores.shape}; it must be ({users}, {items})")
    scores = np.ascontiguousarray(scores, np.float32)
    if not np.isfinite(scores).all():
        raise EvaluationInputError("a model gave scores that are not finite")
    return scores


def _entries(matrix: csr_array, users: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows, counted from 0 within ``users``, and columns of what a matrix holds of these people."""
    starts, ends = matrix.indptr[users], matrix.indptr[users + 1]
    counts = ends - starts
    rows = np.repeat(np.arange(len(users)), counts)
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, matrix.indices[np.repeat(starts, counts) + offsets].astype(np.int64)


def _numbered_from(part: Rankings, first: int) -> Rankings:
    return Rankings(part.users, part.owner + first, part.items, part.ranks, part.candidates, part.lists)


def _joined(parts: list[Rankings], depth: int) -> Rankings:
    empty = np.zeros(0, np.int64)

    def whole(name: str) -> NDArray[np.int64]:
        return np.concatenate([empty, *(getattr(part, name) for part in parts)])

    return Rankings(
        users=whole("users"),
        owner=whole("owner"),
        items=whole("items"),
        ranks=whole("ranks"),
        candidates=whole("candidates"),
        lists=np.concatenate([np.zeros((0, depth), np.int64), *(part.lists for part in parts)]),
    )
