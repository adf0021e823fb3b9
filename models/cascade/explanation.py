"""Why a candidate has its score: its families of signals, and the past items behind three of them.

A family adds exactly what the ranking says. What co-visitation adds is shared out over past items h by
their part in the item's company near in time, what taste adds by ``c_h · v_h · v_i`` (see
`models.profile.taste`), what the content of a modality adds by how similar h is, never negative; those that
count most are named, the others are one reason without an item.

=====================  ================================================================================
family                 reasons
=====================  ================================================================================
taste                  ``similar_item`` with the past item; the rest is ``taste``
content.MODALITY       ``content`` with the modality and the past item
covisitation           ``covisitation`` with the past item
others                 their own name
=====================  ================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.cascade.ranking import Ranking
from models.fusion.interface import MODALITIES, Modality
from models.fusion.linear import BLOCK_ROWS
from models.interactions.pairs import NEAR_AFTER, NEAR_BEFORE
from models.profile.taste import Taste
from models.ranking.reasons import Reason
from models.retrieval.index import ItemIndex
from models.signals.covisitation import SMOOTHING
from models.signals.situation import Situation

_NAMED_ENTRIES = 10
_MODALITY_OF: dict[str, Modality] = {modality: modality for modality in MODALITIES}


def explain(
    index: ItemIndex,
    situation: Situation,
    own: Taste | None,
    ranking: Ranking,
    positions: Sequence[int],
    reason_items: int,
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
    # Of all positions at once: small products cost more by their number than by their size.
    listed = index.vectors[ranking.rows[list(positions)]]
    similar = {
        modality: np.maximum(vectors[:, block] @ listed[:, block].T, 0.0)
        for modality, block in BLOCK_ROWS.items()
    }
    taste_parts = None if own is None else np.maximum(own.coefficients * (listed @ own.item_vectors.T), 0.0)
    explained = []
    for at, position in enumerate(positions):
        row = int(ranking.rows[position])
        memory_row = situation.memory.items.get(index.item_id(row))
        found: list[Reason] = []
        for family, amount in zip(ranking.part_names, ranking.parts[position].tolist(), strict=True):
            if not amount:
                continue
            group, _, modality = family.partition(".")
            if group == "covisitation":
                named = _Shares(past_items, company[:, -1 if memory_row is None else memory_row])
                found += _shared(group, group, amount, named, reason_items)
            elif group == "content":
                named = _Shares(past_items, similar[_MODALITY_OF[modality]][:, at])
                found += _shared(group, group, amount, named, reason_items, _MODALITY_OF[modality])
            elif group == "taste" and own is not None and taste_parts is not None:
                named = _Shares(own.item_ids, taste_parts[at])
                found += _shared("similar_item", group, amount, named, reason_items)
            else:
                found.append(Reason(family, amount))
        explained.append(_summing_to(float(ranking.scores[position]), found))
    return explained


def _company(situation: Situation, recent: NDArray[np.int64]) -> NDArray[np.float32]:
    """Each past item's part in the company near in time of every item, float32 [past items, columns]."""
    columns = situation.columns
    if not len(recent):
        return np.zeros((0, columns), np.float32)
    pairs = situation.memory.pairs
    weights = pairs.scales(recent, SMOOTHING, situation.now_s)
    weights *= 0.8 ** np.arange(len(recent), dtype=np.float32)
    company = pairs.each(NEAR_AFTER, recent, weights[NEAR_AFTER], columns)
    company += pairs.each(NEAR_BEFORE, recent, weights[NEAR_BEFORE], columns)
    return company


@dataclass(frozen=True, slots=True)
class _Shares:
    """Past items, and in which proportion they stand behind something; none below 0."""

    item_ids: Sequence[str]
    values: NDArray[np.floating]


def _shared(
    kind: str,
    rest_kind: str,
    amount: float,
    shares: _Shares,
    reason_items: int,
    modality: Modality | None = None,
) -> list[Reason]:
    total = float(shares.values.sum())
    if total <= 0.0 or not reason_items:
        return [Reason(rest_kind, amount, modality=modality)]
    best = np.argsort(-shares.values, kind="stable")[:reason_items].tolist()
    named = [
        Reason(kind, amount * float(shares.values[at]) / total, shares.item_ids[at], modality=modality)
        for at in best
        if shares.values[at] > 0
    ]
    rest = amount - math.fsum(reason.contribution for reason in named)
    if abs(rest) <= 1e-9 * max(1.0, abs(amount)):
        return named
    return [*named, Reason(rest_kind, rest, modality=modality)]


def _summing_to(score: float, found: list[Reason]) -> tuple[Reason, ...]:
    """The reasons, largest first; what rounding left over goes to the largest."""
    if not found:
        return (Reason("bias", score),)
    first, *others = sorted(found, key=lambda reason: -abs(reason.contribution))
    rest = score - math.fsum(reason.contribution for reason in others)
    return (msgspec.structs.replace(first, contribution=rest), *others)
