"""People who go round: after an item of one kind they like one of the next kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.datasets.interactions import Histories

KINDS, EACH, DIMENSION = 4, 6, 12
ITEMS = KINDS * EACH


def vectors(seed: int = 0) -> NDArray[np.float32]:
    """Of items; those of a kind are alike. float32 [items, D]"""
    random = np.random.default_rng(seed)
    found = np.eye(KINDS, DIMENSION)[kinds()] + 0.05 * random.standard_normal((ITEMS, DIMENSION))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def kinds() -> NDArray[np.int64]:
    """Of items, int64 [items]."""
    return np.arange(ITEMS) % KINDS


def walks(people: int = 60, length: int = 12, seed: int = 0) -> Histories:
    """An event a minute; every fifth is a dislike of any item."""
    random = np.random.default_rng(seed)
    items, weights = np.zeros((people, length), np.int64), np.ones((people, length), np.float32)
    for person in range(people):
        kind = int(random.integers(KINDS))
        for step in range(length):
            if step % 5 == 4:
                items[person, step], weights[person, step] = random.integers(ITEMS), -1.0
                continue
            items[person, step] = kind + KINDS * int(random.integers(EACH))
            kind = (kind + 1) % KINDS
    return Histories(
        np.repeat(np.arange(people), length),
        items.ravel(),
        weights.ravel(),
        1_700_000_000_000 + 60_000 * np.tile(np.arange(length), people),
    )
