"""What is used most in the segment that the request's or the event's context names, fading over two days."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.moment import Signals
from models.sources.proposals import best_of


def propose(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    """See `models.sources.source.Source`: nothing where there are no segments, or nobody was seen in it."""
    knowledge, situation = moment.knowledge, moment.situation
    scores = knowledge.memory.segments.counts(situation.person.context, situation.now_s)
    if scores is None:
        return np.zeros(0, np.int64)
    listable = moment.listable(eligible)
    return best_of(scores, knowledge.in_index, listable[scores[listable] > 0], budget)
