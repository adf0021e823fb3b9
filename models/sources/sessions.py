"""Items around the places where other people's histories touch the person's last items."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.moment import Signals
from models.signals import sessions
from models.sources.proposals import best_of

_VOTES = sessions.NAMES.index("sessions_wide")


def propose(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    """See `models.sources.source.Source`."""
    if not len(moment.situation.recent):
        return np.zeros(0, np.int64)
    knowledge = moment.knowledge
    votes = moment.votes[_VOTES, : len(knowledge.memory)]
    return best_of(votes, knowledge.in_index, moment.listable(eligible), budget)
