"""The items created last among those with few positive events."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.moment import Signals
from models.sources.proposals import best_rows

# Items looked at for each one wanted: some of the newest are well known already.
_LOOKED_AT = 8


def propose(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    """See `models.sources.source.Source`."""
    knowledge = moment.knowledge
    created = knowledge.index.created_at_ms.astype(np.float64)
    created[~eligible] = -np.inf
    newest = best_rows(created, knowledge.index.hashes, _LOOKED_AT * budget)
    return newest[knowledge.positives(newest) < knowledge.settings.new_item_events][:budget]
