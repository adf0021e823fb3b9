"""A trained sequence model: an ONNX graph from a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.encoders.session import OnnxGraph, SessionSettings
from models.errors import CanaryError, EncoderOutputError, GraphError
from models.user.bundle import UserModelManifest, UserSample, read_user_manifest
from models.user.history import UserHistory
from models.user.inputs import COLUMNS, entry_inputs

MIN_COSINE = 0.999
"""Of a sample's vector and what is computed here. Processors and versions of ONNX Runtime differ by less."""
_MIN_NORM = 1e-6


class SequenceUserModel:
    """One vector: where a person's history leads; see `models.user.interface.UserModel`.

    Args:
        folder: The bundle.
        settings: How ONNX Runtime runs.

    Raises:
        ManifestError: The bundle is damaged.
        GraphError: The graph is not what its manifest says, or holds what Freshet does not load.
        CanaryError: It does not compute what its manifest states.
    """

    def __init__(self, folder: Path, settings: SessionSettings | None = None) -> None:
        self._manifest = manifest = read_user_manifest(folder)
        if set(manifest.graph.inputs) != {"vectors", "told"}:
            raise GraphError(f"the user model in {folder} must have the inputs vectors and told")
        self._graph = OnnxGraph(folder, manifest.graph, settings or SessionSettings())
        self._graph.require_input("vectors", "tensor(float)", (None, manifest.dimension))
        self._graph.require_input("told", "tensor(float)", (None, len(COLUMNS)))
        self._graph.require_output_dimension(manifest.dimension)
        self._reads_vectors_first = manifest.graph.inputs[0] == "vectors"
        if not manifest.samples:
            raise CanaryError(f"the manifest in {folder} has no `samples` to try the user model by")
        for number, sample in enumerate(manifest.samples):
            self._check(number, sample)

    @property
    def manifest(self) -> UserModelManifest:
        """What the bundle says of itself."""
        return self._manifest

    @property
    def space(self) -> str:
        """The vector space that it reads and answers in."""
        return self._manifest.space

    @property
    def dimension(self) -> int:
        """Of that space."""
        return self._manifest.dimension

    def user_vectors(self, history: UserHistory) -> NDArray[np.float32]:
        """See `UserModel.user_vectors`; one vector, none of an empty history."""
        if not len(history):
            return np.zeros((0, self.dimension), np.float32)
        newest = slice(-self._manifest.history_entries, None)
        vectors = np.ascontiguousarray(history.vectors[newest])
        told = entry_inputs(history.weights, history.ages_s)[newest]
        found = self._graph.run(*((vectors, told) if self._reads_vectors_first else (told, vectors)))
        wide = found.astype(np.float64)
        norm = float(np.linalg.norm(wide))
        if found.shape != (1, self.dimension) or not np.isfinite(norm):
            raise EncoderOutputError(
                f"the user model of {self.space} gave {list(found.shape)}, or numbers that are not finite"
            )
        if norm < _MIN_NORM:
            return np.zeros((0, self.dimension), np.float32)
        return np.asarray(wide / norm, np.float32)

    def _check(self, number: int, sample: UserSample) -> None:
        weights, ages_s = _numbers(sample.weights, "<f4", number), _numbers(sample.ages_s, "<f8", number)
        vectors = _numbers(sample.vectors, "<f4", number)
        stated = _numbers(sample.vector, "<f4", number).astype(np.float64)
        if (
            not (len(weights) == len(ages_s) == len(vectors) / self.dimension)
            or len(stated) != self.dimension
        ):
            raise CanaryError(f"sample {number} of the user model has columns that do not fit together")
        history = UserHistory(vectors.reshape(-1, self.dimension), weights, ages_s)
        try:
            found = self.user_vectors(history)
        except EncoderOutputError as error:
            raise CanaryError(f"sample {number} of the user model cannot be computed: {error}") from error
        cosine = float(found[0] @ stated / max(1e-12, np.linalg.norm(stated))) if len(found) else 0.0
        if not cosine >= MIN_COSINE:
            raise CanaryError(
                f"sample {number} of the user model comes out with a cosine of {cosine:.4f} to the vector of "
                f"its manifest; {MIN_COSINE} is the least. It is not the graph that was trained, or it runs "
                "differently here"
            )


def _numbers(packed: bytes, dtype: str, number: int) -> NDArray[Any]:
    if len(packed) % np.dtype(dtype).itemsize:
        raise CanaryError(
            f"sample {number} of the user model has {len(packed)} bytes where numbers should be"
        )
    return np.frombuffer(packed, dtype)
