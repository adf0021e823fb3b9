"""What is known of people against how the items score that they then took.

With H the items of a person's history, c_i the share of people who took item i, and f_i its unit features of
all modalities beside each other, scaled to length 1::

    interactions = |H|
    popularity   = mean over i of H of c_i
    variety      = 1 − |mean over i of H of f_i|²

Variety is 0 where all is alike, and nears the mean cosine distance of pairs as histories grow. Items without
content do not count in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.offline.interface import Features, Interactions

PEOPLE_FEATURES = ("interactions", "popularity", "variety")
_GROUPS = 5
_BLOCK = 4_096

PerUser = NDArray[np.float64]


def people_features(train: Interactions, features: Features, users: NDArray[np.int64]) -> dict[str, PerUser]:
    """Each of `PEOPLE_FEATURES` of each of these people, float64 [n].

    Args:
        train: Who took what, [users, items].
        features: Of all items.
        users: Rows of ``train``, int64 [n].
    """
    own = train[users]
    counts = np.maximum(1, np.diff(own.indptr))
    shares = np.asarray(train.sum(axis=0), np.float64) / train.shape[0]
    return {
        "interactions": np.diff(own.indptr).astype(np.float64),
        "popularity": np.asarray(own @ shares) / counts,
        "variety": _variety(own, features),
    }


def by_feature(features: Mapping[str, PerUser], measured: Mapping[str, PerUser]) -> dict[str, Any]:
    """People in up to five groups of about the same size by each feature, in its rising order.

    Args:
        features: As `people_features`.
        measured: What is averaged, of the same people.

    Returns:
        By feature a list of groups: ``n``, ``mean`` of the feature, and the mean of each of ``measured``.
    """
    found = {}
    for name, values in features.items():
        edges = np.unique(np.quantile(values, np.arange(1, _GROUPS) / _GROUPS, method="inverted_cdf"))
        group = np.searchsorted(edges, values)
        found[name] = [
            {
                "n": int((group == number).sum()),
                "mean": float(values[group == number].mean()),
                **{what: float(own[group == number].mean()) for what, own in measured.items()},
            }
            for number in np.unique(group).tolist()
        ]
    return found


def _variety(own: Any, features: Features) -> PerUser:
    units = [
        rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9) for rows in features.values()
    ]
    modalities = np.sum([rows.any(axis=1) for rows in units], axis=0)
    told = np.maximum(1, own @ (modalities > 0).astype(np.float64))
    lengths = np.zeros(own.shape[0])
    for rows in units:
        scaled = rows / np.sqrt(np.maximum(1, modalities))[:, None]
        for begin in range(0, own.shape[0], _BLOCK):
            block = slice(begin, begin + _BLOCK)
            lengths[block] += (np.asarray(own[block] @ scaled, np.float64) ** 2).sum(axis=1)
    return np.asarray(1.0 - lengths / told**2)
