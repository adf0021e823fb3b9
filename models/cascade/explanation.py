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
from models.interactions.pair_channels import NEAR_AFTER, NEAR_BEFORE
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
    past_rows = np.array([index.item_rows.get(item_id, -1) for item_id in past_items], np.int64)
    vectors = np.zeros((len(recent), index.dimension), np.float32)
    vectors[past_rows >= 0] = index.vectors[past_rows[past_rows >= 0]]
    rows = ranking.rows[list(positions)]
    # Of all positions at once: small products and sorts cost more by their number than by their size.
    listed = index.vectors[rows]
    used = [situation.memory.items.get(item_id) for item_id in index.item_ids(rows.tolist())]
    company = _company(situation, recent)[:, [-1 if row is None else row for row in used]].T
    shares = {"covisitation": _Shares.of(past_items, company, reason_items)}
    for modality, block in BLOCK_ROWS.items():
        similar = np.maximum(listed[:, block] @ vectors[:, block].T, 0.0)
        shares[f"content.{modality}"] = _Shares.of(past_items, similar, reason_items)
    if own is not None:
        parts = np.maximum(own.coefficients * (listed @ own.item_vectors.T), 0.0)
        shares["taste"] = _Shares.of(own.item_ids, parts, reason_items)
    explained = []
    for at, position in enumerate(positions):
        found: list[Reason] = []
        for family, amount in zip(ranking.part_names, ranking.parts[position].tolist(), strict=True):
            if not amount:
                continue
            named = shares.get(family)
            if named is None:
                found.append(Reason(family, amount))
                continue
            group, _, about = family.partition(".")
            kind = "similar_item" if group == "taste" else group
            found += named.reasons(at, kind, group, amount, _MODALITY_OF.get(about))
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
    """Past items that stand behind listed ones, and in which proportion; those that count most, first."""

    item_ids: Sequence[str]
    totals: list[float]
    best: list[list[int]]
    values: list[list[float]]

    @classmethod
    def of(cls, item_ids: Sequence[str], values: NDArray[np.floating], most: int) -> _Shares:
        """``values``: none below 0, [listed, past items]; ``most`` of them are named."""
        best = np.argsort(-values, axis=1, kind="stable")[:, :most]
        largest = np.take_along_axis(values, best, axis=1)
        return cls(item_ids, values.sum(axis=1).tolist(), best.tolist(), largest.tolist())

    def reasons(
        self, at: int, kind: str, rest_kind: str, amount: float, modality: Modality | None
    ) -> list[Reason]:
        """An amount of the listed item ``at``, shared out; the rest is of ``rest_kind``."""
        total = self.totals[at]
        if total <= 0.0 or not self.best[at]:
            return [Reason(rest_kind, amount, modality=modality)]
        named = [
            Reason(kind, amount * value / total, self.item_ids[past], modality=modality)
            for past, value in zip(self.best[at], self.values[at], strict=True)
            if value > 0
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
