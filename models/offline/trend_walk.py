"""The content walk, with how much is taken now instead of how much was taken.

Where each person's last items are held out, counts of the training part tell what was popular, not what is.
Three things in who took what tell more, and none needs a time:

- who took it: items that the crowd, people of very many items, takes much are taken less by others later on;
- how long the histories are of those who took it: a person with more items got further, and the item with
  them;
- the person: who took popular items takes popular items, and who has a longer history less so.

With w_ui the score of `ContentWalk` without its factor of popularity, l_i and h_i the people who took i
outside and inside the crowd, n_u the items of u up to ``longest``, m_u the mean of log(1 + l_j) over the
items j of u, and n̄ and m̄ the means over people outside the crowd, the score is log-linear, as a
conditional logit over items (McFadden 1974, "Conditional logit analysis of qualitative choice behavior")::

    s(u, i) = α log w_ui + (β + β_m (m_u − m̄) − β_n (n_u − n̄)) log(1 + l_i) − γ log²(1 + h_i) + δ d_i
    d_i = Σ_v (n_v − ñ) / (l_i + k)

v runs over people outside the crowd who took i, ñ is the mean of n_v over all interactions of such people,
and k people of mean length keep d small where few took i. The six weights α to δ were fitted by maximum
likelihood on the validation people of one data set; ``python -m tests.benchmarks.trend_walk_fit`` does it
again (see the experiments in the documentation).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.offline.content_walk import ContentWalk
from models.offline.interface import Features, FitContext, Interactions

SIGNALS = ("walk", "popularity", "own_popularity", "own_length", "crowd", "later")
"""What each of the six weights is called, as `TrendWalk` takes them."""
# What no step reaches and nobody took keeps a finite logarithm.
_LEAST = 1e-9


class TrendWalk:
    """See the module. The other settings of the walk are its defaults.

    Args:
        walk: α, > 0.
        popularity: β.
        own_popularity: β_m.
        own_length: β_n.
        crowd: γ.
        later: δ.
        later_people: k, > 0.
        crowd_items: A person with at least so many items belongs to the crowd.
        longest: A history counts as no longer than this in n.
    """

    def __init__(
        self,
        walk: float = 0.54,
        popularity: float = 0.54,
        own_popularity: float = 0.14,
        own_length: float = 0.12,
        crowd: float = 0.09,
        later: float = 11.0,
        later_people: float = 100.0,
        crowd_items: int = 10,
        longest: int = 4,
    ) -> None:
        self._walk = ContentWalk(popularity=0.0, crowd_items=crowd_items)
        # In the order of `SIGNALS`.
        self._weights = np.array([walk, popularity, own_popularity, own_length, crowd, later])
        self._later_people = later_people
        self._crowd_items = crowd_items
        self._longest = longest
        self._log_people = self._crowd = self._later = np.zeros(0, np.float32)
        self._own_popularity = self._own_length = np.zeros(0, np.float32)

    @property
    def weights(self) -> Mapping[str, float]:
        """By `SIGNALS`."""
        return dict(zip(SIGNALS, self._weights.tolist(), strict=True))

    def fit(self, train: Interactions, features: Features, context: FitContext) -> None:
        """See `OfflineModel.fit`. It knows the weights already."""
        self._walk.fit(train, features, context)
        items = np.asarray(train.sum(axis=1), np.float64).ravel()
        is_light = items < self._crowd_items
        length = np.minimum(items, self._longest)
        light = train[is_light]
        people = np.asarray(light.sum(axis=0), np.float64).ravel()
        crowd = np.asarray(train[~is_light].sum(axis=0), np.float64).ravel()
        log_people = np.log1p(people)

        total = people.sum()
        mean_length = float(length[is_light] @ items[is_light] / total) if total else 0.0
        later = (light.T @ (length[is_light] - mean_length)) / (people + self._later_people)
        own = np.divide(train @ log_people, items, out=np.zeros_like(items), where=items > 0)
        counted = is_light & (items > 0)
        own_popularity = np.where(items > 0, own - _mean(own[counted]), 0.0)
        own_length = np.where(items > 0, length - _mean(length[counted]), 0.0)
        self._log_people = log_people.astype(np.float32)
        self._crowd = (-(np.log1p(crowd) ** 2)).astype(np.float32)
        self._later = later.astype(np.float32)
        self._own_popularity = own_popularity.astype(np.float32)
        self._own_length = (-own_length).astype(np.float32)

    def signals(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """What the weights are of: each item for each of these people. A score is their product's sum.

        Returns:
            float32 [n, items, 6], the last axis as `SIGNALS`.
        """
        log_walk = self._log_walk(users)
        found = np.empty((*log_walk.shape, len(SIGNALS)), np.float32)
        found[:, :, 0] = log_walk
        found[:, :, 1] = self._log_people
        found[:, :, 2] = self._own_popularity[users, None] * self._log_people
        found[:, :, 3] = self._own_length[users, None] * self._log_people
        found[:, :, 4] = self._crowd
        found[:, :, 5] = self._later
        return found

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `OfflineModel.scores`."""
        walk, popularity, own_popularity, own_length, crowd, later = self._weights.astype(np.float32)
        of_people = own_popularity * self._own_popularity[users] + own_length * self._own_length[users]
        found = self._log_walk(users)
        found *= walk
        found += (popularity + of_people)[:, None] * self._log_people
        found += crowd * self._crowd + later * self._later
        return found

    def _log_walk(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        found = self._walk.scores(users)
        found += np.float32(_LEAST)
        np.log(found, out=found)
        return found


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else 0.0
