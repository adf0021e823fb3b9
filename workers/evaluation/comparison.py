"""Whether two lists are the same, and where they first differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest

RELATIVE_TOLERANCE = 1e-6
# Scores near 0 are sums of parts that cancel out: what is left of them is rounding.
ABSOLUTE_TOLERANCE = 1e-9

Scored = Sequence[tuple[str, float]]


def first_difference(theirs: Scored, ours: Scored) -> str | None:
    """Where two lists of (item id, score) first differ, in words; None where they are the same.

    The same items in the same order, and each score within 1e-6 of the other, relative to the larger.
    """
    for place, (one, other) in enumerate(zip_longest(theirs, ours), 1):
        if one is None or other is None:
            return f"place {place}: {_shown(one)} through Kafka, {_shown(other)} in this process"
        is_same_score = math.isclose(one[1], other[1], rel_tol=RELATIVE_TOLERANCE, abs_tol=ABSOLUTE_TOLERANCE)
        if one[0] != other[0] or not is_same_score:
            return f"place {place}: {_shown(one)} through Kafka, {_shown(other)} in this process"
    return None


def _shown(entry: tuple[str, float] | None) -> str:
    return "nothing" if entry is None else f"{entry[0]} with {entry[1]!r}"
