"""Items whose item2vec vectors fit the person's newest entries, once a model is trained."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.moment import Signals
from models.sources.proposals import best_of


def propose(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    """See `models.sources.source.Source`."""
    knowledge = moment.knowledge
    # Of a stranger the model says no more than what is popular, which other sources know better.
    if knowledge.item2vec is None or moment.by_item2vec is None or not len(moment.situation.recent):
        return np.zeros(0, np.int64)
    items = knowledge.item2vec.items
    return best_of(
        moment.by_item2vec, items.rows_in(knowledge.index), moment.listable(eligible, items), budget
    )
