"""Items near the person's last ten in other people's histories.

Company near in time counts in full, company within a session and on the same page 0.3, company ever 0.1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.moment import Signals
from models.signals import covisitation
from models.sources.proposals import best_of

_SUMS = ("near_after_ten", "near_before_ten", "session_after_ten", "page_ten", "ever_ten")


def propose(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    """See `models.sources.source.Source`."""
    if not len(moment.situation.recent):
        return np.zeros(0, np.int64)
    knowledge = moment.knowledge
    near_after, near_before, session, page, ever = (
        moment.company[covisitation.NAMES.index(name), : len(knowledge.memory)] for name in _SUMS
    )
    wider = np.float32(0.3) * (session + page) + np.float32(0.1) * ever
    return best_of(near_after + near_before + wider, knowledge.in_index, moment.listable(eligible), budget)
