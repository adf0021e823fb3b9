"""Items nearest to what the person asks for in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.moment import Signals
from models.sources.proposals import best_rows


def propose(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    """See `models.sources.source.Source`; nothing where nothing is asked for."""
    asked, index = moment.situation.person.asked, moment.knowledge.index
    if asked is None:
        return np.zeros(0, np.int64)
    similarities = np.vecdot(index.vectors, asked)
    return best_rows(similarities, index.hashes, eligible.nonzero()[0], budget)
