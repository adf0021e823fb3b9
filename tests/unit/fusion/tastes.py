"""People who like one kind of thing, and items whose content tells the kind by either modality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

KINDS, ITEMS, PEOPLE, ITEMS_A_PERSON = 12, 240, 600, 3


@dataclass(frozen=True)
class Tastes:
    """Who took what, and what items contain; one more item of each person is kept for the test."""

    train: csr_array
    held_out: NDArray[np.int64]
    features: dict[str, NDArray[np.float32]]


def tastes(seed: int = 0) -> Tastes:
    """Content is mostly noise: two directions in 24 tell the kind."""
    random = np.random.default_rng(seed)
    kinds = np.arange(ITEMS) % KINDS
    features = {}
    for modality, width in (("image", 24), ("audio", 16)):
        signal = random.standard_normal((KINDS, 2))[kinds] @ random.standard_normal((2, width))
        features[modality] = (signal + 2.0 * random.standard_normal((ITEMS, width))).astype(np.float32)
    drawn = np.stack(
        [
            random.choice(np.flatnonzero(kinds == person % KINDS), ITEMS_A_PERSON + 1, replace=False)
            for person in range(PEOPLE)
        ]
    )
    people = np.repeat(np.arange(PEOPLE), ITEMS_A_PERSON)
    taken = drawn[:, :-1].ravel()
    train = csr_array((np.ones(len(people), np.float32), (people, taken)), shape=(PEOPLE, ITEMS))
    return Tastes(train, drawn[:, -1].astype(np.int64), features)


def recall(scores: NDArray[np.float32], data: Tastes, count: int = 10) -> float:
    """The share of people whose held-out item is among the first ``count`` that they do not have."""
    scores = np.where(data.train.toarray() > 0, -np.inf, scores)
    wanted = scores[np.arange(len(scores)), data.held_out]
    return float(((scores > wanted[:, None]).sum(axis=1) < count).mean())
