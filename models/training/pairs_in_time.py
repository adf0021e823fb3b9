"""Items that a person took within so many seconds of one another, to draw pairs from.

What one sitting brings together is nearer than what years do. The window is a span around an event, before
and after it, and not a pause that ends a session: however long a sitting lasts, no pair is further apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.datasets.interactions import Histories
from models.errors import TrainingError

_MS = 1_000.0


class PairsInTime:
    """Likes, each with the others of the same person near it in time. `people`: who has such a pair.

    Args:
        histories: What people did. Only what speaks for an item counts; an item may be there again.
        window_s: Seconds from an event to the furthest that is near it, before as after.

    Raises:
        TrainingError: Nobody took two items so near to one another.
    """

    def __init__(self, histories: Histories, window_s: float) -> None:
        likes = histories.only(histories.weights > 0)
        self._items = likes.items
        self._begins, self._ends = _windows(likes, window_s)
        # Where an item is another than the one before: a window without such a place holds one item.
        changes = np.cumsum(np.r_[False, likes.items[1:] != likes.items[:-1]])[: len(likes)]
        self._events = np.flatnonzero(changes[self._ends - 1] > changes[self._begins])
        if not len(self._events):
            raise TrainingError(
                f"nobody took two items within {window_s:g} s of one another: there is nothing to learn a "
                "fusion from; take a longer window"
            )
        self._users = likes.users[self._events]
        self.people = np.unique(self._users)

    def draw(self, person: int, count: int, random: np.random.Generator) -> NDArray[np.int64]:
        """An item of one of `people`, and up to ``count`` others near it, at random; int64, none twice."""
        first, last = np.searchsorted(self._users, [person, person + 1])
        event = self._events[random.integers(first, last)]
        item = self._items[event]
        near = np.unique(self._items[self._begins[event] : self._ends[event]])
        others = random.permutation(near[near != item])[:count]
        return np.concatenate([[item], others])


def _windows(likes: Histories, window_s: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """By entry: the first and, less one, the last of the same person's that are near it."""
    begins, ends = np.zeros(len(likes), np.int64), np.zeros(len(likes), np.int64)
    window_ms = window_s * _MS
    for person in np.unique(likes.users):
        first, last = np.searchsorted(likes.users, [person, person + 1])
        times_ms = likes.times_ms[first:last]
        begins[first:last] = first + np.searchsorted(times_ms, times_ms - window_ms, "left")
        ends[first:last] = first + np.searchsorted(times_ms, times_ms + window_ms, "right")
    return begins, ends
