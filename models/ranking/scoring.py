"""The score of every item for a person, or of those that `models.ranking.promising` says.

::

    R(u, i) = content_weight · uᵀ v_i + b₁ + popularity_weight · p_i + freshness_weight · 2^(−age_i / h)

with ``v_i = W₁ f(i)`` the fused vector, ``p_i`` the popularity within [0, 1] (see `ItemIndex.popularity`)
and age_i ≥ 0 since the item's creation. Items are compared in float32; those near the top are scored
again in float64, and that score orders the list.

Products here and in the taste are `numpy.vecdot`, one dot product a row, not ``@``: at 100,000 × 256 it
takes 3.3 ms where OpenBLAS's matrix-vector product takes 9.7 ms on one thread; it starts no threads
that wait for each other where cores are busy; and a row's result does not depend on the rows around it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.errors import DimensionError, SettingError
from models.profile.taste import Taste, TasteSettings
from models.retrieval.dot_products import dot_products
from models.retrieval.index import ItemIndex

_DAY_MS = 86_400_000.0
_BLOCK_ROWS = 512
Rows = NDArray[np.int64]
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RankingSettings:
    """The weights of a score's parts; ``bias`` is b₁. ``reason_items`` past items are named one by one.

    ``asked_share``: how much of the taste is what the person asks for in words, where they do.
    """

    content_weight: float = 1.0
    popularity_weight: float = 0.15
    freshness_weight: float = 0.05
    bias: float = 0.0
    asked_share: float = 0.8
    freshness_half_life_days: float = 7.0
    reason_items: int = 3
    taste: TasteSettings = field(default_factory=TasteSettings)

    def __post_init__(self) -> None:
        numbers = (self.content_weight, self.popularity_weight, self.freshness_weight, self.bias)
        if not all(map(math.isfinite, numbers)):
            raise SettingError("content_weight, popularity_weight, freshness_weight and bias must be finite")
        if not self.freshness_half_life_days > 0:
            raise SettingError("freshness_half_life_days must be above 0")
        if not 0 <= self.asked_share <= 1:
            raise SettingError(f"asked_share is {self.asked_share}; it must be between 0 and 1")


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """Exact scores of some items and what they are made of, each float64 [n].

    ``content`` has the content weight in it, ``popularity`` and ``freshness`` theirs;
    ``score`` = ``content`` + ``popularity`` + ``freshness`` + bias.
    """

    rows: Rows
    score: Scores
    content: Scores
    popularity: Scores
    freshness: Scores

    def take(self, order: Rows) -> ScoreParts:
        """The items at these positions, in this order."""
        return ScoreParts(
            self.rows[order],
            self.score[order],
            self.content[order],
            self.popularity[order],
            self.freshness[order],
        )


class Scorer:
    """Scores the items of an index at one moment.

    Args:
        index: Must not change while the scorer is in use.
        now_ms: Milliseconds since the epoch.
        settings: See `RankingSettings`.
    """

    def __init__(self, index: ItemIndex, now_ms: int, settings: RankingSettings) -> None:
        self._index = index
        self._now_ms = now_ms
        self._settings = settings
        self._popularity = index.popularity()
        self._common: NDArray[np.float32] | None = None

    @property
    def rounding(self) -> float:
        """How far a float32 score of `approximate` may lie from the exact one."""
        settings = self._settings
        # ‖u‖ ≤ 1 and ‖v‖ = 1: products of 256 numbers, and sums of parts no larger than their weights.
        return 4e-6 * (
            abs(settings.content_weight) + abs(settings.popularity_weight) + abs(settings.freshness_weight)
        )

    def content(self, tastes: list[Taste]) -> NDArray[np.float32]:
        """content_weight · uᵀ v_i of every row for several people at once, float32 [people, rows].

        Raises:
            DimensionError: A taste has another dimension than the index.
        """
        users = np.stack([self._weighted(taste) for taste in tastes])
        vectors = self._index.vectors
        products = np.empty((len(tastes), len(vectors)), np.float32)
        # A block stays in the processor's cache while everybody's product with it is made.
        for begin in range(0, len(vectors), _BLOCK_ROWS):
            block = slice(begin, begin + _BLOCK_ROWS)
            np.vecdot(vectors[None, block], users[:, None], out=products[:, block])
        return products

    def approximate(
        self, taste: Taste | None, rows: Rows | None, content: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Scores without the bias, to choose by.

        Args:
            taste: None for a stranger.
            rows: Which items; None for every row.
            content: A row of `content`, where it is known already; only with ``rows`` None.

        Returns:
            float32 [n].
        """
        if rows is None:
            if content is None:
                if taste is None:
                    return self._common_scores().copy()
                content = self.content([taste])[0]
            return content + self._common_scores()
        scores = self._common_of(self._popularity[rows], self._index.created_at_ms[rows])
        if taste is not None:
            scores += dot_products(self._index.vectors, rows, self._weighted(taste))
        return scores

    def exact(self, taste: Taste | None, rows: Rows) -> ScoreParts:
        """Scores and their parts in float64."""
        settings = self._settings
        if taste is None:
            content = np.zeros(len(rows))
        else:
            vectors = self._index.vectors[rows].astype(np.float64)
            content = settings.content_weight * np.vecdot(vectors, taste.vector)
        popularity = settings.popularity_weight * self._popularity[rows].astype(np.float64)
        age_days = self._age_days(self._index.created_at_ms[rows])
        freshness = settings.freshness_weight * np.exp2(-age_days / settings.freshness_half_life_days)
        score = content + popularity + freshness + settings.bias
        return ScoreParts(rows, score, content, popularity, freshness)

    def _weighted(self, taste: Taste) -> NDArray[np.float32]:
        if taste.vector.shape != (self._index.dimension,):
            raise DimensionError(
                f"a taste vector is {list(taste.vector.shape)}; the index holds [{self._index.dimension}]"
            )
        return (self._settings.content_weight * taste.vector).astype(np.float32)

    def _common_scores(self) -> NDArray[np.float32]:
        """Popularity and freshness of every row: the same for everybody."""
        if self._common is None:
            self._common = self._common_of(self._popularity, self._index.created_at_ms)
        return self._common

    def _common_of(
        self, popularity: NDArray[np.float32], created_at_ms: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        settings = self._settings
        scores = self._age_days(created_at_ms).astype(np.float32)
        scores *= np.float32(-1.0 / settings.freshness_half_life_days)
        np.exp2(scores, out=scores)
        scores *= np.float32(settings.freshness_weight)
        scores += np.float32(settings.popularity_weight) * popularity
        return scores

    def _age_days(self, created_at_ms: NDArray[np.int64]) -> Scores:
        return np.maximum(self._now_ms - created_at_ms, 0) * (1.0 / _DAY_MS)
