"""Vectors of single texts and media, kept on disk between evaluations."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from models.fusion import EncoderSpec

Vector = NDArray[np.float32]


class FeatureCache:
    """The vectors that one encoder made, by the hash of what it encoded.

    Args:
        folder: Where the file of each encoder lies; None keeps nothing.
        spec: The encoder; another network of the same name has another file.
    """

    def __init__(self, folder: Path | None, spec: EncoderSpec) -> None:
        self._path = None if folder is None else folder / f"{spec.name}-{spec.sha256[:16]}.npz"
        self._vectors: dict[str, Vector] = {}
        self._changed = False
        if self._path is not None and self._path.is_file():
            self._vectors = _read(self._path, spec.dimension)

    def get(self, content: str) -> Vector | None:
        """The vector of what has this hash; None where it is not known."""
        return self._vectors.get(content)

    def put(self, content: str, vector: Vector) -> None:
        """Keep a vector, float32 [D]."""
        self._vectors[content] = vector
        self._changed = True

    def save(self) -> None:
        """Write what was added."""
        if self._path is None or not self._changed:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new.npz")
        np.savez(new, content=np.array(list(self._vectors)), vectors=np.stack(list(self._vectors.values())))
        # In one step, so that a run that is ended leaves no half file.
        new.replace(self._path)
        self._changed = False


def _read(path: Path, dimension: int) -> dict[str, Vector]:
    """What is there; nothing where the file is broken: it is then written anew."""
    try:
        with np.load(path) as arrays:
            content, vectors = arrays["content"].tolist(), arrays["vectors"]
    except (OSError, ValueError, KeyError, BadZipFile):
        return {}
    if vectors.shape != (len(content), dimension):
        return {}
    return dict(zip(content, vectors.astype(np.float32), strict=True))
