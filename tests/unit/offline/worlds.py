"""Synthetic data sets whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.datasets import InteractionData
from models.datasets.interactions import TEST, TRAIN, VALIDATION, Histories

TASTES = 3


def matrix(pairs: Any, shape: tuple[int, int]) -> Any:
    """Ones at pairs of row and column."""
    numbers = np.asarray(pairs, np.int64).reshape(-1, 2)
    return csr_array((np.ones(len(numbers), np.float32), (numbers[:, 0], numbers[:, 1])), shape=shape)


def world(people: int = 60, items: int = 30, each: int = 6, seed: int = 0) -> InteractionData:
    """Person p and item i are of taste p % 3 and i % 3, and people take items of their taste alone.

    Image vectors tell the taste, audio vectors do so with noise. Of each person's items one is of the
    validation part and one of the test part.
    """
    random = np.random.default_rng(seed)
    pairs: list[tuple[int, int]] = []
    parts: list[int] = []
    for person in range(people):
        own = [item for item in range(items) if item % TASTES == person % TASTES]
        taken = random.choice(own, each, replace=False)
        pairs += [(person, int(item)) for item in taken]
        parts += [VALIDATION, TEST, *[TRAIN] * (each - 2)]
    taste = np.eye(TASTES, 8, dtype=np.float32)[np.arange(items) % TASTES]
    noise = random.standard_normal((2, items, 8)).astype(np.float32)
    order = np.lexsort(np.array(pairs).T[::-1])
    ordered, times_ms = np.array(pairs, np.int64)[order], random.permutation(len(pairs)).astype(np.int64)
    by_time = np.lexsort((times_ms, ordered[:, 0]))
    liked = np.ones(len(pairs), np.float32)
    return InteractionData(
        name="tastes",
        users=people,
        items=items,
        pairs=ordered,
        times_ms=times_ms,
        parts=np.array(parts, np.int8)[order],
        features={"image": taste + 0.05 * noise[0], "audio": taste + 0.3 * noise[1]},
        histories=Histories(*ordered[by_time].T, liked, times_ms[by_time]),
    )


def write_presplit(folder: Path, data: InteractionData, dtype: type[np.floating[Any]] = np.float16) -> Path:
    """A folder as `read_presplit` reads it."""
    folder.mkdir(parents=True)
    assert data.parts is not None
    by_part: dict[str, NDArray[np.int32]] = {
        name: data.pairs[data.parts == part].astype(np.int32)
        for name, part in (("train", TRAIN), ("val", VALIDATION), ("test", TEST))
    }
    np.savez(folder / "interactions.npz", **by_part)  # type: ignore[arg-type]
    for modality, vectors in data.features.items():
        np.save(folder / f"{modality}_feat.npy", vectors.astype(dtype))
    return folder
