"""Items nearest to the vectors that a trained user model makes of the person, where there is one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.moment import Signals
from models.sources.interests import nearest_each
from models.sources.proposals import each_once


def propose(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    """See `models.sources.source.Source`: of several vectors each has its nearest, in turn."""
    vectors = moment.user_vectors
    if vectors is None or not len(vectors):
        return np.zeros(0, np.int64)
    lists = nearest_each(moment.knowledge.index, vectors, eligible, budget)
    places = np.concatenate([np.arange(len(one)) for one in lists])
    return each_once(np.concatenate(lists)[np.argsort(places, kind="stable")])[:budget]
