"""The best of the item regression that knows how near entries stand, once one is solved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.moment import Signals
from models.sources.proposals import best_of

_MODEL = "regression"


def propose(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    """See `models.sources.source.Source`."""
    knowledge = moment.knowledge
    if _MODEL not in moment.by_regression:
        return np.zeros(0, np.int64)
    items = knowledge.regressions[_MODEL].items
    return best_of(
        moment.by_regression[_MODEL][0],
        items.rows_in(knowledge.index),
        moment.listable(eligible, items),
        budget,
    )
