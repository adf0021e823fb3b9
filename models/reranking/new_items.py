"""Places kept for new items, so that there are events from which to learn what they are worth.

Where the list has enough new items by itself, nothing changes. Otherwise the places are spread: with s of
them on a list of n, the j-th new item has to come by place ⌊(j − ½) · n / s⌋, in the middle of the j-th of
s equal parts, and each that comes earlier by itself counts.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SLOTS_OF = 20


def slots_of(new_item_slots: int, count: int) -> int:
    """How many of ``count`` places are kept, where ``new_item_slots`` of 20 are: rounded, half up."""
    return math.floor(new_item_slots * count / SLOTS_OF + 0.5)


def within_margin(
    new: NDArray[np.float64], known: NDArray[np.float64], places: int, slots: int, margin: float
) -> int:
    """How many of ``slots`` are worth keeping.

    The n-th best new item takes the place of the (places − n + 1)-th best known one: it is kept while it
    lacks at most ``margin`` to it. That spends the places on lists where new items are nearly good enough by
    themselves, and costs least where a difference of scores is one of log-likelihoods, as the ranker's is.

    Args:
        new: Scores, falling.
        known: Scores of the others, falling.
        places: Of the list.
        slots: At most so many, ≤ places.
        margin: In the unit of scores.
    """
    kept = 0
    while kept < min(slots, len(new)):
        displaced = places - 1 - kept
        if displaced < len(known) and new[kept] + margin < known[displaced]:
            break
        kept += 1
    return kept


def spread_deadlines(slots: int, places: int) -> list[int]:
    """The place, from 0, by which the first, second, … new item has to come; ``slots`` ≤ ``places``."""
    return [(2 * number + 1) * places // (2 * slots) for number in range(slots)]


def latest_deadlines(slots: int, places: int) -> list[int]:
    """As `spread_deadlines`, as late as can be.

    A list that has enough new items by itself is left as it is, and exploration cannot take them away.
    """
    return list(range(places - slots, places))


class Slots:
    """Whether the next place of a list that grows is kept for a new item.

    Args:
        deadlines: Rising places.
    """

    def __init__(self, deadlines: list[int]) -> None:
        self._deadlines = deadlines
        self._listed = 0

    def add_new(self) -> None:
        """The list has one more new item."""
        self._listed += 1

    def due(self, place: int) -> bool:
        """Whether a new item has to come at this place, from 0."""
        return self._listed < len(self._deadlines) and self._deadlines[self._listed] <= place
