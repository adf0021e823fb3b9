"""What is used most by all people, fading over two days."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.moment import Signals
from models.sources.proposals import best_of

# Of the spans of popularity: two days.
_SPAN = 1


def propose(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    """See `models.sources.source.Source`."""
    knowledge = moment.knowledge
    items = slice(0, len(knowledge.memory))
    scores = knowledge.memory.popularity.recent_in(_SPAN, items, moment.situation.now_s)
    return best_of(scores, knowledge.in_index, moment.listable(eligible), budget)
