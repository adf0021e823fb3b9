"""Signals of the situation: is an item used more than otherwise at this time of day, and in this context?

With c_s the faded events of the item in situation s, n_s those of all items in it, and p the item's share of
all events, the lift is ``log((c_s + 20 p) / ((n_s + 20) p))``, which is 0 where nothing is known.

===============  ==================================================================
signal           value
===============  ==================================================================
context_time     the lift in this part of the day, of eight
context_named    the mean lift over what the context names, such as device or page
segment_trend    the lift in the person's segment of late, see `interactions.segments`
===============  ==================================================================
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.interactions.contexts import day_part, named_situations
from models.signals.situation import Situation

NAMES = ("context_time", "context_named", "segment_trend")
_PRIOR_EVENTS = 20.0


def context(situation: Situation, memory_rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The signals of candidates, float32 [signals, n]; ``memory_rows`` is −1 where nobody has used one."""
    signals = np.zeros((len(NAMES), len(memory_rows)), np.float32)
    known = (memory_rows >= 0).nonzero()[0]
    popularity = situation.memory.popularity
    if not len(known) or not popularity.total:
        return signals
    rows = memory_rows[known]
    share = (popularity.count[rows] / popularity.total).astype(np.float32)
    signals[0, known] = _lift(situation, day_part(situation.now_s), rows, share)
    named = named_situations(situation.person.context)
    if named:
        lifts = [_lift(situation, one, rows, share) for one in named]
        signals[1, known] = np.mean(lifts, axis=0)
    in_segment = situation.memory.segments.counts(situation.person.context, situation.now_s)
    if in_segment is not None:
        signals[2, known] = _lift_of(in_segment[rows], float(in_segment.sum()), share)
    return signals


def _lift(
    situation: Situation, number: int, rows: NDArray[np.int64], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    return _lift_of(*situation.memory.contexts.counts(number, rows, situation.now_s), share)


def _lift_of(found: NDArray[np.float32], total: float, share: NDArray[np.float32]) -> NDArray[np.float32]:
    expected = np.maximum(share, np.float32(1e-9))
    prior = np.float32(_PRIOR_EVENTS)
    return np.asarray(
        np.log((found + prior * expected) / (np.float32(total + _PRIOR_EVENTS) * expected)), np.float32
    )
