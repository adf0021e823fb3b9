"""The person's own items that may be listed again: those whose last action leaves them eligible."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.moment import Signals


def propose(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    """See `models.sources.source.Source`."""
    rows = moment.knowledge.index.rows_of(moment.situation.person.item_ids[-budget:])
    return rows[eligible[rows]]
