"""What people who have used about as many items as the person use then."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.moment import Signals
from models.sources.proposals import best_of


def propose(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    """See `models.sources.source.Source`."""
    knowledge, situation = moment.knowledge, moment.situation
    items = slice(0, len(knowledge.memory))
    scores = knowledge.memory.popularity.at_stage(items, situation.now_s, situation.person.events)
    return best_of(scores, knowledge.in_index, moment.listable(eligible), budget)
