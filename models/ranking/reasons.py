"""Why an item is listed: its score, taken apart exactly.

The score is linear in the past items (see `models.profile.taste`), so item j's part is
``content_weight · c_j · (v_j · v_i)``. The parts that count most are named, the others are one reason; what
is asked for in words is one of its own.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from models.fusion.interface import Modality
from models.profile.taste import Taste
from models.ranking.scoring import RankingSettings, ScoreParts
from models.retrieval.index import ItemIndex


class Reason(msgspec.Struct, frozen=True):
    """One part of a score.

    ``similar_item``: a past item, with what was done with it. ``taste``: all other past items.
    ``seed_item``: an item that the request named; without ``item_id``, all others of these.
    ``query``: likeness to what the request asks for in words.
    ``popularity``, ``freshness``, ``bias``: what their names say. Those of the cascade are in its guide.
    """

    kind: str
    contribution: float
    item_id: str | None = None
    action: str | None = None
    modality: Modality | None = None


class ScoredItem(msgspec.Struct, frozen=True):
    """An item of a list. The contributions of its reasons sum to its score within 1e-6 · max(1, |score|).

    ``propensity``: with which probability it stands where it does; None where nothing is left to chance.
    """

    item_id: str
    score: float
    reasons: tuple[Reason, ...]
    propensity: float | None = None


def explain(
    index: ItemIndex, taste: Taste | None, parts: ScoreParts, settings: RankingSettings
) -> tuple[ScoredItem, ...]:
    """Each item with the reasons of its score, the largest first; parts of 0 are left out."""
    named = _named_parts(index, taste, parts, settings)
    items = []
    for row, score, popularity, freshness, reasons in zip(
        parts.rows.tolist(),
        parts.score.tolist(),
        parts.popularity.tolist(),
        parts.freshness.tolist(),
        named,
        strict=True,
    ):
        reasons += [
            (popularity, "popularity", None, None),
            (freshness, "freshness", None, None),
            (settings.bias, "bias", None, None),
        ]
        items.append(ScoredItem(index.item_id(row), score, _summing_to(score, reasons)))
    return tuple(items)


_Part = tuple[float, str, str | None, str | None]


def _named_parts(
    index: ItemIndex, taste: Taste | None, parts: ScoreParts, settings: RankingSettings
) -> list[list[_Part]]:
    """The parts of each item's content score."""
    if taste is None:
        return [[] for _ in parts.rows]
    vectors = index.vectors[parts.rows].astype(np.float64)
    # [items, past items]
    products = np.vecdot(vectors[:, None], taste.item_vectors[None])
    contributions = products * (settings.content_weight * taste.coefficients)
    count = min(max(0, settings.reason_items), contributions.shape[1])
    named = np.argsort(-np.abs(contributions), axis=1, kind="stable")[:, :count]
    largest = np.take_along_axis(contributions, named, axis=1)
    asked = np.zeros(len(named))
    if taste.asked is not None:
        asked = settings.content_weight * np.vecdot(vectors, taste.asked)
    is_whole = count == contributions.shape[1]
    rest = np.zeros(len(named)) if is_whole else parts.content - asked - largest.sum(axis=1)
    rest_kind = "taste" if taste.kind == "similar_item" else taste.kind
    actions = taste.actions or (None,) * len(taste.item_ids)
    return [
        [
            *(
                (contribution, taste.kind, taste.item_ids[past], actions[past])
                for contribution, past in zip(contributions_of, past_items, strict=True)
            ),
            (remaining, rest_kind, None, None),
            (query, "query", None, None),
        ]
        for contributions_of, past_items, remaining, query in zip(
            largest.tolist(), named.tolist(), rest.tolist(), asked.tolist(), strict=True
        )
    ]


def _summing_to(score: float, found: list[_Part]) -> tuple[Reason, ...]:
    """Reasons whose sum is the score: what rounding left over goes to the largest."""
    ordered = sorted([part for part in found if part[0]], key=_magnitude, reverse=True)
    if not ordered:
        return (Reason("bias", score),)
    first, *others = ordered
    contribution = score - math.fsum([part[0] for part in others])
    reasons = [Reason(kind, part, item_id, action) for part, kind, item_id, action in others]
    return (Reason(first[1], contribution, first[2], first[3]), *reasons)


def _magnitude(part: _Part) -> float:
    return abs(part[0])
