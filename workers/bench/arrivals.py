"""When events are due, and how long each waited for its list.

Latency runs from when an event was due, not from when it was sent: a load generator that is held up would
otherwise leave out just the waits that it caused (coordinated omission; Tene, "How NOT to Measure Latency",
2015). An event that was coalesced with a later one of the same person waits for the list that covers it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


def due_times(per_s: float, seconds: float) -> list[float]:
    """Offsets in seconds at which arrivals at a fixed rate are due, from 0 on, all before ``seconds``.

    Raises:
        ValueError: Rate or duration is not positive.
    """
    if per_s <= 0 or seconds <= 0:
        raise ValueError(f"{per_s} arrivals/s for {seconds} s")
    return [number / per_s for number in range(math.ceil(round(per_s * seconds, 9)))]


@dataclass(frozen=True, slots=True)
class Due:
    """An event. ``version`` is that of the person's profile with its effect, ``at_s`` when it was due."""

    user_id: str
    version: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Listed:
    """A list that was read. It covers every event of the person up to its ``version``."""

    user_id: str
    version: int
    at_s: float


def waits(due: Sequence[Due], listed: Sequence[Listed]) -> list[float]:
    """Seconds from when each event was due until the first list that covers it; infinite where none came.

    Args:
        due: In any order.
        listed: In the order in which they were read.
    """
    by_user: dict[str, tuple[list[int], list[float]]] = {}
    for one in listed:
        versions, times = by_user.setdefault(one.user_id, ([], []))
        # A lower version than one read before covers nothing new.
        if not versions or one.version > versions[-1]:
            versions.append(one.version)
            times.append(one.at_s)
    return list(_waits(due, by_user))


def _waits(due: Sequence[Due], by_user: dict[str, tuple[list[int], list[float]]]) -> Iterator[float]:
    for one in due:
        versions, times = by_user.get(one.user_id, ([], []))
        first = bisect_left(versions, one.version)
        yield times[first] - one.at_s if first < len(times) else math.inf
