"""Why a candidate has its score: its families of signals, and the past items behind two of them.

A family adds exactly what the ranking says. What co-visitation adds is shared out over past items h by
their part in the item's company near in time, what content adds by how similar h is, never negative; those
that count most are named, the others are one reason without an item.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.cascade.ranking import Ranking
from models.interactions.pairs import NEAR_AFTER, NEAR_BEFORE
from models.ranking.reasons import Reason
from models.retrieval.index import ItemIndex
from models.signals.situation import Situation

_NAMED_ENTRIES = 10


def explain(
    index: ItemIndex, situation: Situation, ranking: Ranking, positions: Sequence[int], reason_items: int
) -> list[tuple[Reason, ...]]:
    """The reasons of each position, the largest first; their contributions sum to its score."""
    recent = situation.recent.rows[:_NAMED_ENTRIES]
    past_items = [situation.memory.items.item_id(row) for row in recent.tolist()]
    company = _company(situation, recent)
    vectors = np.zeros((len(recent), index.dimension), np.float32)
    for at, item_id in enumerate(past_items):
        row = index.item_rows.get(item_id)
        if row is not None:
            vectors[at] = index.vectors[row]
    explained = []
    for position in positions:
        row = int(ranking.rows[position])
        memory_row = situation.memory.items.get(index.item_id(row))
        shares = {
            "covisitation": company[:, -1 if memory_row is None else memory_row],
            "content": np.maximum(vectors @ index.vectors[row], 0.0),
        }
        found: list[Reason] = []
        for family, amount in zip(ranking.part_names, ranking.parts[position].tolist(), strict=True):
            if amount:
                group = family.partition(".")[0]
                found += _shared(family, amount, shares.get(group), past_items, reason_items)
        explained.append(_summing_to(float(ranking.scores[position]), found))
    return explained


def _company(situation: Situation, recent: NDArray[np.int64]) -> NDArray[np.float32]:
    """Each past item's part in the company near in time of every item, float32 [past items, columns]."""
    columns = situation.columns
    if not len(recent):
        return np.zeros((0, columns), np.float32)
    each = np.eye(len(recent), dtype=np.float32) * (0.8 ** np.arange(len(recent), dtype=np.float32))
    pairs, now_s = situation.memory.pairs, situation.now_s
    return pairs.combine(NEAR_AFTER, recent, each, 2.0, now_s, columns) + pairs.combine(
        NEAR_BEFORE, recent, each, 2.0, now_s, columns
    )


def _shared(
    kind: str,
    amount: float,
    shares: NDArray[np.float32] | None,
    past_items: Sequence[str],
    reason_items: int,
) -> list[Reason]:
    total = 0.0 if shares is None else float(shares.sum())
    if shares is None or total <= 0.0 or not reason_items:
        return [Reason(kind, amount)]
    best = np.argsort(-shares, kind="stable")[:reason_items].tolist()
    named = [
        Reason(kind, amount * float(shares[at]) / total, past_items[at]) for at in best if shares[at] > 0
    ]
    rest = amount - math.fsum(reason.contribution for reason in named)
    return [*named, Reason(kind, rest)] if abs(rest) > 1e-9 * max(1.0, abs(amount)) else named


def _summing_to(score: float, found: list[Reason]) -> tuple[Reason, ...]:
    """The reasons, largest first; what rounding left over goes to the largest."""
    if not found:
        return (Reason("bias", score),)
    first, *others = sorted(found, key=lambda reason: -abs(reason.contribution))
    rest = score - math.fsum(reason.contribution for reason in others)
    return (Reason(first.kind, rest, first.item_id, first.action), *others)
