"""A vector for each of the person's interests, as their positive items' vectors cluster.

Interests are found as in PinnerSage (Pal et al. 2020), by clustering what one person liked, but with a few
steps of spherical k-means (Dhillon and Modha 2001) from seeds that are farthest from each other (Gonzalez
1985). A mean over all would lie between two interests, near to neither.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.user.history import UserHistory

INTERESTS = 3
ENTRIES = 50
_STEPS = 2
# An entry of rank r, among the positive ones from the newest, weighs its weight times this to the r.
_FADE = 0.9
# Vectors at least so similar are not two interests.
_SAME = 0.95
_MIN_NORM = 1e-9


class MultiInterest:
    """At most three vectors, the heaviest interest first."""

    def user_vectors(self, history: UserHistory) -> NDArray[np.float32]:
        """See `UserModel.user_vectors`."""
        liked = np.flatnonzero(history.weights > 0)[::-1][:ENTRIES]
        if not len(liked):
            return np.zeros((0, history.vectors.shape[1]), np.float32)
        vectors = history.vectors[liked]
        members = cluster(vectors, faded(history.weights[liked]).astype(np.float32))
        members = members[np.argsort(-members.sum(axis=1), kind="stable")]
        centres = members.astype(np.float64) @ vectors.astype(np.float64)
        lengths = np.linalg.norm(centres, axis=1, keepdims=True)
        told = lengths[:, 0] > _MIN_NORM
        return np.asarray(centres[told] / lengths[told], np.float32)


def faded(weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """What positive entries weigh in interests, float64 [n]; newest first."""
    return np.asarray(_FADE ** np.arange(len(weights)) * weights, np.float64)


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
