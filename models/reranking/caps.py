"""Caps: how many items of a list may share a value of an attribute.

Where all that is left would exceed a cap, the items that exceed caps least may come: the list is filled.
With one cap on single values that happens only where no other choice could have avoided it (such sets
form a partition matroid). With several caps, or with lists as values, an earlier choice may use up what
a later one needs; finding out beforehand is NP-hard (set packing), and is not attempted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping

import numpy as np
from numpy.typing import NDArray

from models.reranking.shared_values import SharedValues


class CapCounter:
    """How far a list that grows has used up its caps.

    Args:
        shared: Who has which value of the attributes that have a cap.
        max_per_attribute: Attribute → cap.
    """

    def __init__(self, shared: SharedValues, max_per_attribute: Mapping[str, int]) -> None:
        self._shared = shared
        self._caps = max_per_attribute
        self._counts: Counter[tuple[str, Hashable]] = Counter()
        # By how much each candidate would exceed caps, summed over its values.
        self._excess = np.zeros(shared.size, np.int32)
        self._any_reached = False

    def add(self, candidate: int) -> None:
        """The list now has this candidate."""
        for name, value in self._shared.of(candidate):
            self._counts[name, value] += 1
            if self._counts[name, value] >= self._caps[name]:
                self._excess[self._shared.holders(name, value)] += 1
                self._any_reached = True

    def fits(self, candidate: int) -> bool:
        """Whether the list may have this candidate too."""
        return not self._excess[candidate]

    def fitting(self, remaining: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Those of ``remaining`` that exceed no cap; where none is left, those that exceed caps least.

        Args:
            remaining: At least one, bool [m].
        """
        if not self._any_reached:
            return remaining
        fitting: NDArray[np.bool_] = remaining & (self._excess == 0)
        if not fitting.any():
            fitting = remaining & (self._excess == self._excess[remaining].min())
        return fitting
