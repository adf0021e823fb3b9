"""How much each frame of a film counts, as a learned graph says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.encoders.encoder import Vectors
from models.encoders.manifest import GraphEntry
from models.encoders.session import OnnxGraph, SessionSettings
from models.errors import EncoderOutputError, GraphError


class FrameWeights:
    """One ONNX graph: ``frames`` float32 [films, k, d] and ``present`` bool [films, k] → weights [films, k].

    It sees each film's frames' vectors, zeros after the last, and says how much each counts. That the vectors
    themselves are added up outside of it keeps the sum within what the frames span, so in the image encoder's
    space, whatever the graph is.
    """

    def __init__(self, folder: Path, entry: GraphEntry, dimension: int, settings: SessionSettings) -> None:
        """Raises GraphError or ManifestError where the file is not what ``entry`` says."""
        self._file = entry.file
        self._films = settings.batch_size
        self._dimension = dimension
        self._graph = OnnxGraph(folder, entry, settings)
        frames, present = entry.inputs
        self._graph.require_input(frames, "tensor(float)", (None, None, dimension))
        self._graph.require_input(present, "tensor(bool)", (None, None))

    def of(self, vectors: Vectors, counts: NDArray[np.int64]) -> Vectors:
        """The weights of the frames, float32 [Σ counts], none below 0.

        Args:
            vectors: Of the frames of all films, one film after the other, [Σ counts, d].
            counts: How many frames each film has, [films].

        Raises:
            EncoderOutputError: It failed, or gave a weight below 0 or not finite; ``rows``: the films.
            GraphError: Its output has another shape.
        """
        weights = np.zeros(len(vectors), np.float32)
        ends = np.cumsum(counts)
        films = np.flatnonzero(counts)
        for first in range(0, len(films), self._films):
            chosen = films[first : first + self._films]
            present = np.arange(counts[chosen].max()) < counts[chosen][:, None]
            here = slice(ends[chosen[0]] - counts[chosen[0]], ends[chosen[-1]])
            frames = np.zeros((*present.shape, self._dimension), np.float32)
            frames[present] = vectors[here]
            given = self._graph.run(frames, present)
            if given.shape != present.shape:
                raise GraphError(
                    f"{self._file} gave weights of shape {list(given.shape)} for frames of shape "
                    f"{list(frames.shape)}. Export it again: one weight a frame."
                )
            # Written so that NaN is refused too.
            bad = ~((given >= 0) & (given < np.inf) | ~present).all(axis=1)
            if bad.any():
                raise EncoderOutputError(
                    f"{self._file} gave a frame a weight below 0, or none that is finite.",
                    tuple(int(row) for row in chosen[bad]),
                )
            weights[here] = given[present]
        return weights
