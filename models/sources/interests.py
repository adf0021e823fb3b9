"""Items nearest to each of the person's interests, see `models.user.multi_interest`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.moment import Signals
from models.retrieval.dot_products import dot_products
from models.retrieval.index import ItemIndex
from models.retrieval.neighbourhoods import is_large, least_near
from models.sources.proposals import best_rows, each_once
from models.user.multi_interest import ENTRIES, cluster, faded

_BLOCK_ROWS = 512


def propose(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    """See `models.sources.source.Source`: each interest has a share, by its entries' weight."""
    history, index = moment.situation.history, moment.knowledge.index
    liked = np.flatnonzero(history.weights > 0)[:ENTRIES]
    rows = moment.knowledge.in_index[history.rows[liked]]
    weights = faded(history.weights[liked])[rows >= 0].astype(np.float32)
    vectors = index.vectors[rows[rows >= 0]]
    told = vectors.any(axis=1)
    vectors, weights = vectors[told], weights[told]
    if not len(vectors):
        return np.zeros(0, np.int64)
    members = cluster(vectors, weights)
    shares = members.sum(axis=1) / weights.sum()
    centres = members @ vectors
    lists = nearest_each(index, centres, eligible, budget)
    # In turn by share: the first half of a list holds half of what each interest gives.
    places = np.concatenate(
        [(np.arange(len(one)) + 0.5) / share for one, share in zip(lists, shares.tolist(), strict=True)]
    )
    proposed = np.concatenate(lists)[np.argsort(places, kind="stable")]
    return each_once(proposed)[:budget]


def nearest_each(
    index: ItemIndex, centres: NDArray[np.float32], eligible: NDArray[np.bool_], budget: int
) -> list[NDArray[np.int64]]:
    """The eligible rows nearest to each centre, best first, int64 [≤ budget] each; in a large index, mostly.

    Args:
        index: The items.
        centres: float32 [k, D].
        eligible: By row.
        budget: At least 1.
    """
    if is_large(index.rows):
        return [best_near(index, centre, eligible, budget) for centre in centres]
    similarities, may_be_listed = _similarities(centres, index.vectors), eligible.nonzero()[0]
    return [best_rows(one, index.hashes, may_be_listed, budget) for one in similarities]


def best_near(
    index: ItemIndex, centre: NDArray[np.float32], eligible: NDArray[np.bool_], budget: int
) -> NDArray[np.int64]:
    """The nearest rows of those that may be, see `ItemIndex.near`; best first, int64 [≤ budget]."""
    rows = index.near(centre, eligible, least_near(budget))
    near = dot_products(index.vectors, rows, centre)
    return rows[best_rows(near, index.hashes[rows], np.arange(len(rows)), budget)]


def _similarities(centres: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Dot products of the centres with all vectors, float32 [centres, n].

    Not a product of matrices: one vector's dot product rounds alike in whatever row it stands.
    """
    found = np.empty((len(centres), len(vectors)), np.float32)
    for begin in range(0, len(vectors), _BLOCK_ROWS):
        block = slice(begin, begin + _BLOCK_ROWS)
        # A block stays in the processor's cache for all centres.
        np.vecdot(vectors[None, block], centres[:, None], out=found[:, block])
    return found
