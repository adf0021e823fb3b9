"""All signals: their names, in order, the family that each belongs to, and its usual spread.

A ranker sees a signal as ``(x − mean over the candidates) / spread``: the spread sets how fast it learns.

The cosine with a trained user model's vectors, `USER_MODEL`, comes after all others and only where there is
one: what a ranker without it has learned, and every list, stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

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
USER_MODEL = "user_model"
POSITION = {name: position for position, name in enumerate((*NAMES, USER_MODEL))}


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
    if name == USER_MODEL:
        return "sequence.content"
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


FAMILIES = tuple(dict.fromkeys(map(family, (*NAMES, USER_MODEL))))

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
    USER_MODEL: 0.25,
}


@dataclass(frozen=True, slots=True)
class SignalSet:
    """The signals of a ranker.

    Attributes:
        names: In order, K of them.
        spreads: float32 [K].
        families: Those that signals belong to.
        by_family: Signals by family, int64 [K].
        of_families: Where each family's signals stand in ``by_family``.
    """

    names: tuple[str, ...]
    spreads: NDArray[np.float32]
    families: tuple[str, ...]
    by_family: NDArray[np.int64]
    of_families: tuple[slice, ...]

    def columns_of(self, families: Sequence[str]) -> NDArray[np.int64]:
        """The signals of these families, rising; of none that it does not have."""
        return np.flatnonzero([family(name) in families for name in self.names])


@cache
def signal_set(*, with_user_model: bool) -> SignalSet:
    """The signals of a cascade with a trained user model, or of one without."""
    names = (*NAMES, USER_MODEL) if with_user_model else NAMES
    families = tuple(dict.fromkeys(map(family, names)))
    numbers = np.array([families.index(family(name)) for name in names])
    order = np.argsort(numbers, kind="stable")
    bounds = np.searchsorted(numbers[order], np.arange(len(families) + 1)).tolist()
    return SignalSet(
        names,
        np.array([_SPREADS.get(name, 1.0) for name in names], np.float32),
        families,
        order,
        tuple(slice(begin, end) for begin, end in pairwise(bounds)),
    )


SPREADS = signal_set(with_user_model=False).spreads
