"""The best of the sequence model, once one is trained."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.moment import Signals
from models.sources.proposals import best_of


def propose(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    """See `models.sources.source.Source`."""
    knowledge = moment.knowledge
    if knowledge.sequence is None or moment.by_sequence is None:
        return np.zeros(0, np.int64)
    items = knowledge.sequence.items
    return best_of(
        moment.by_sequence, items.rows_in(knowledge.index), moment.listable(eligible, items), budget
    )
