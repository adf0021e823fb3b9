"""All signals: their names, in order, the family that each belongs to, and its usual spread.

A ranker sees a signal as ``(x − mean over the candidates) / spread``: the spread sets how fast it learns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.signals import base, content, context, covisitation, popularity, sessions

REGRESSION_NAMES = (
    "regression_near",
    "regression_far",
    "regression_fade",
    "regression_page",
    "regression_ever",
    "regression_ever_fade",
    "regression_signed",
)
LIKING_NAMES = ("liking",)
SEQUENCE_NAMES = ("sequence",)
ITEM2VEC_NAMES = ("item2vec",)

NAMES = (
    *covisitation.NAMES,
    *sessions.NAMES,
    *popularity.NAMES,
    *REGRESSION_NAMES,
    *LIKING_NAMES,
    *SEQUENCE_NAMES,
    *ITEM2VEC_NAMES,
    *content.NAMES,
    *base.NAMES,
    *context.NAMES,
)
POSITION = {name: position for position, name in enumerate(NAMES)}


def family(name: str) -> str:
    """The family of a signal: a part of the score."""
    if name in covisitation.NAMES:
        return "covisitation"
    if name in sessions.NAMES:
        return "sessions"
    if name in (*REGRESSION_NAMES, *LIKING_NAMES):
        return "regression"
    if name in SEQUENCE_NAMES:
        return "sequence"
    if name in ITEM2VEC_NAMES:
        return "item2vec"
    if name in content.NAMES:
        modality, _, _ = name.partition("_")
        return "freshness" if name == "created" else f"content.{modality}"
    if name == "taste":
        return "taste"
    if name in ("context_time", "context_named"):
        return "context"
    if name in ("own_times", "own_age"):
        return "history"
    if name == "fresh":
        return "freshness"
    if name in ("popular_6h", "popular_2d", "segment_trend"):
        return "trend"
    if name in ("known_for", "last_used"):
        return "freshness"
    if name in ("rarity_step", "rarity_distance", "rarity_habit", "weight_step", "weight_distance"):
        return "history"
    return "popularity"


FAMILIES = tuple(dict.fromkeys(map(family, NAMES)))

# Most signals are logarithms, and in step as they are; these are not.
_SPREADS = {
    **dict.fromkeys(REGRESSION_NAMES, 0.03),
    "regression_ever": 1.0,
    "regression_signed": 0.05,
    "liking": 0.12,
    "mean_weight": 0.5,
    **dict.fromkeys(content.NAMES, 0.25),
    "created": 1.0,
    "taste": 0.25,
    "popular_share": 0.25,
    "fresh": 0.25,
}
SPREADS: NDArray[np.float32] = np.array([_SPREADS.get(name, 1.0) for name in NAMES], np.float32)
