"""Which items of a large catalogue may make a person's list, without a score of all of them.

A score is what the item's content has to do with the taste, how popular it is, and how new. So those are
looked at that lie near the taste, the most popular and the newest; an item that is neither, and would have
made the list by a bit of each, is missed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.ranking.selection import near_top
from models.retrieval.columns import Mask
from models.retrieval.index import ItemIndex

# Of the most popular and of the newest items each, at least.
_LEAST = 256
# Of the nearest more, as popularity and age make one of them better than another.
_LEAST_NEAR = 4_096
_PLACES = 8


def promising_rows(
    index: ItemIndex, direction: NDArray[np.floating], eligible: Mask, count: int
) -> NDArray[np.int64]:
    """Eligible rows for a list, rising, int64 [n]: some thousands.

    Args:
        index: A large one, see `models.retrieval.neighbourhoods.is_large`.
        direction: Of the taste, [D].
        eligible: bool [rows].
        count: Places of the list.
    """
    least = max(_LEAST, count)
    near = index.near(direction.astype(np.float32), eligible, max(_LEAST_NEAR, _PLACES * count))
    popularity = np.where(eligible, index.popularity(), np.float32(-np.inf))
    popular = near_top(popularity, index.hashes, least, 0.0)
    promising = np.zeros(index.rows, np.bool_)
    for rows in (near, popular, index.newest(eligible, least)):
        promising[rows] = True
    return np.flatnonzero(promising)
