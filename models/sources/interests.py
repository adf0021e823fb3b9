"""Items nearest to each of the person's interests, as their positive items' vectors cluster.

Interests are found as in PinnerSage (Pal et al. 2020), by clustering what one person liked, but with a few
steps of spherical k-means (Dhillon and Modha 2001) from seeds that are farthest from each other (Gonzalez
1985). A mean over all would lie between two interests, near to neither.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cascade.moment import Signals
from models.retrieval.index import ItemIndex
from models.sources.proposals import best_rows, each_once

INTERESTS = 3
_ENTRIES = 50
_STEPS = 2
# An entry of rank r, among the positive ones from the newest, weighs its weight times this to the r.
_FADE = 0.9
# Vectors at least so similar are not two interests.
_SAME = 0.95
_BLOCK_ROWS = 512
# From so many rows on, only those of the nearest cells are looked at, so many or such a share of all.
SCANNED_ROWS = 32_768
_LEAST_NEAR, _NEAR_SHARE = 4_096, 32


def propose(moment: Signals, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
    """See `models.sources.source.Source`: each interest has a share, by its entries' weight."""
    history, index = moment.situation.history, moment.knowledge.index
    liked = np.flatnonzero(history.weights > 0)[:_ENTRIES]
    rows = moment.knowledge.in_index[history.rows[liked]]
    weights = (_FADE ** np.arange(len(liked)) * history.weights[liked])[rows >= 0].astype(np.float32)
    vectors = index.vectors[rows[rows >= 0]]
    told = vectors.any(axis=1)
    vectors, weights = vectors[told], weights[told]
    if not len(vectors):
        return np.zeros(0, np.int64)
    members = cluster(vectors, weights)
    shares = members.sum(axis=1) / weights.sum()
    centres = members @ vectors
    if index.rows >= SCANNED_ROWS:
        lists = [best_near(index, centre, eligible, budget) for centre in centres]
    else:
        similarities, may_be_listed = _similarities(centres, index.vectors), eligible.nonzero()[0]
        lists = [best_rows(one, index.hashes, may_be_listed, budget) for one in similarities]
    # In turn by share: the first half of a list holds half of what each interest gives.
    places = np.concatenate(
        [(np.arange(len(one)) + 0.5) / share for one, share in zip(lists, shares.tolist(), strict=True)]
    )
    proposed = np.concatenate(lists)[np.argsort(places, kind="stable")]
    return each_once(proposed)[:budget]


def cluster(vectors: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights of entries in the interests, float32 [1 ≤ interests ≤ 3, n]: each entry is in one of them.

    Args:
        vectors: Of the entries, newest first, unit vectors float32 [n, d], n ≥ 1.
        weights: Above 0, float32 [n].
    """
    products = vectors @ vectors.T
    seeds = [0]
    while len(seeds) < INTERESTS:
        nearest = products[seeds].max(axis=0)
        farthest = int(nearest.argmin())
        if nearest[farthest] >= _SAME:
            break
        seeds.append(farthest)
    # Of centres Σ w v, products with entries and lengths follow from products of entries alone.
    members = _nearest_of(products[seeds], weights)
    for _ in range(_STEPS):
        similarity = members @ products
        lengths = np.sqrt(np.maximum((similarity * members).sum(axis=1, keepdims=True), np.float32(1e-9)))
        members = _nearest_of(similarity / lengths, weights)
    return members


def _nearest_of(similarity: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each entry's weight at the centre that it is nearest to, without centres that have none."""
    members = (similarity.argmax(axis=0) == np.arange(len(similarity))[:, None]) * weights
    return np.asarray(members[members.any(axis=1)], np.float32)


def best_near(
    index: ItemIndex, centre: NDArray[np.float32], eligible: NDArray[np.bool_], budget: int
) -> NDArray[np.int64]:
    """The nearest rows of those whose cells are the nearest, best first, int64 [≤ budget]."""
    rows = index.near(centre, eligible, max(_LEAST_NEAR, index.rows // _NEAR_SHARE))
    near = np.vecdot(index.vectors[rows], centre)
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
