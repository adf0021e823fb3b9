"""How surprising an item is: its self-information by the popularity counters of the state store.

Vargas and Castells (RecSys 2011, "Rank and relevance in novelty and diversity metrics for recommender
systems") measure the novelty of an item by how improbable it is that somebody knows it: −log₂ p(i), where
p(i) is its share of all interactions. Here these are the counters' decayed positive weights, with one more
for each item, so that an item that nobody has touched has a finite novelty (Laplace)::

    novelty(i) = −log₂ ((c_i + 1) / (Σ_j c_j + n + 1)) bits

All counters decay with one half-life, so a share does not depend on when it is looked at: each counter is
held as it would be at one fixed time, and only the pseudo-count is brought there.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from workers.state.store import MAX_COUNTERS, StateStore


class PopularityShares:
    """Shares of popularity, brought up to date by `refresh`.

    Args:
        half_life_s: Of the counters.
        clock: Seconds since the epoch.
    """

    def __init__(self, store: StateStore, half_life_s: float, clock: Callable[[], float]) -> None:
        self._store = store
        self._half_life_s = half_life_s
        self._clock = clock
        self._fixed_s = clock()
        self._counts: dict[str, float] = {}
        self._total = 0.0
        self._cursor = 0.0

    async def refresh(self) -> None:
        """Take over what changed since the last time.

        Raises:
            DependencyDownError: The store does not answer.
        """
        if len(self._counts) > MAX_COUNTERS:
            # The store has forgotten some of these by now.
            self._counts, self._total, self._cursor = {}, 0.0, 0.0
        changes = await self._store.counters_since(self._cursor)
        self._cursor = changes.cursor
        for item_id, counter in changes.counters.items():
            count = max(0.0, counter.value) * self._growth(counter.at_s)
            self._total += count - self._counts.get(item_id, 0.0)
            self._counts[item_id] = count

    def novelty_bits(self, item_id: str) -> float:
        """−log₂ of the item's share."""
        one = self._growth(self._clock())
        share = (self._counts.get(item_id, 0.0) + one) / (
            max(0.0, self._total) + one * (len(self._counts) + 1)
        )
        return -math.log2(share)

    def _growth(self, at_s: float) -> float:
        """What a count of ``at_s`` is multiplied by to be one of the fixed time."""
        return math.exp2(max(-500.0, min(500.0, (at_s - self._fixed_s) / self._half_life_s)))
