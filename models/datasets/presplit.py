"""A data set that comes as a matrix with its official split, as papers on multimodal models publish them.

``interactions.npz`` holds ``train``, ``val`` and ``test``, each whole numbers [n, 2]: person and item, both
from 0. ``text_feat.npy``, ``image_feat.npy``, ``audio_feat.npy`` and ``video_feat.npy``, those that are
there, hold the vector of each item, [items, D] in any precision; a row of zeros is an item without that
modality. There are as many items as rows, or without any such file as interactions name.

The ``tiktok`` set of DiffMM (Jiang et al. 2024) and MMSSL (Wei et al. 2023) has this form. There are no
times, texts or media, so that only a comparison of models can read it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.datasets.interactions import TEST, TRAIN, VALIDATION, InteractionData
from models.errors import DatasetError

INTERACTIONS_FILE = "interactions.npz"
MODALITIES = ("text", "image", "audio", "video")
_PARTS = {"train": TRAIN, "val": VALIDATION, "test": TEST}
# Ids number rows of matrices: one stray id must not ask for all memory.
_MAX_ID = 50_000_000


def is_presplit(folder: Path) -> bool:
    """Whether a folder holds such a data set."""
    return (folder / INTERACTIONS_FILE).is_file()


def read_presplit(folder: Path, parts: Collection[str] = tuple(_PARTS)) -> InteractionData:
    """Read the folder.

    Args:
        folder: Which.
        parts: The parts to read, of train, val and test; the numbers of the others are not looked at.

    Raises:
        DatasetError: A file is missing or wrong; names it, and what is wrong with it.
    """
    by_part = _interactions(folder / INTERACTIONS_FILE, parts)
    features = {
        modality: _features(folder / f"{modality}_feat.npy")
        for modality in MODALITIES
        if (folder / f"{modality}_feat.npy").is_file()
    }
    pairs = np.concatenate(list(by_part.values()))
    part_of = np.concatenate([np.full(len(found), _PARTS[name], np.int8) for name, found in by_part.items()])
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    counts = {len(vectors) for vectors in features.values()}
    named = int(pairs[:, 1].max()) + 1
    if len(counts) > 1 or any(count < named for count in counts):
        raise DatasetError(
            f"{folder}: interactions name {named:,} items, and the feature files have rows for "
            + ", ".join(f"{len(vectors):,} ({modality})" for modality, vectors in features.items())
        )
    return InteractionData(
        name=folder.resolve().name,
        users=int(pairs[:, 0].max()) + 1,
        items=max(counts, default=named),
        pairs=pairs,
        parts=part_of[first],
        features=features,
    )


def _interactions(path: Path, parts: Collection[str]) -> dict[str, NDArray[np.int64]]:
    """The pairs of each part, in the order in which a pair that is in several belongs to the first."""
    try:
        with np.load(path) as arrays:
            found = {name: arrays[name] for name in _PARTS if name in parts}
    except KeyError as error:
        raise DatasetError(f"{path} has no array {error.args[0]}; it needs train, val and test") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from None
    for name, pairs in found.items():
        if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
            raise DatasetError(
                f"{path}: {name} is {pairs.dtype} {list(pairs.shape)}; it must be whole numbers [n, 2], "
                "person and item"
            )
        if not len(pairs):
            raise DatasetError(f"{path}: {name} is empty")
        if int(pairs.min()) < 0 or int(pairs.max()) > _MAX_ID:
            raise DatasetError(f"{path}: {name} names a person or item outside 0 to {_MAX_ID:,}")
    return {name: pairs.astype(np.int64) for name, pairs in found.items()}


def _features(path: Path) -> NDArray[np.float32]:
    try:
        vectors = np.load(path)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from None
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise DatasetError(
            f"{path} is {vectors.dtype} {list(vectors.shape)}; it must be floating-point numbers [items, D]"
        )
    # Before anything is summed: half precision overflows at 65,504.
    wide: NDArray[np.float32] = vectors.astype(np.float32)
    if not np.isfinite(wide).all():
        raise DatasetError(f"{path} holds numbers that are not finite")
    return wide
