"""The interface of every encoder: a batch of preprocessed items in, one unit vector a row out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.encoders.manifest import AnyManifest, Modality
from models.errors import EncoderOutputError, GraphError

Vectors = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Samples = NDArray[np.float32]

ItemT_contra = TypeVar("ItemT_contra", contravariant=True)

# Below this an output has no direction worth the name: float32 rounding of values around 1.
MIN_NORM = 1e-6


class VideoInput(NamedTuple):
    """``frames``: uint8 [k, size, size, 3], RGB, k may be 0; ``audio``: float32 [samples], mono, or None."""

    frames: Pixels
    audio: Samples | None


class Encoder(ABC, Generic[ItemT_contra]):
    """Turns preprocessed items of one modality into vectors.

    What an item is: text ``str``; image uint8 ``[size_px, size_px, 3]`` RGB; audio float32 ``[samples]``,
    mono in [-1, 1] at the manifest's rate; video ``VideoInput``.
    """

    manifest: AnyManifest

    @property
    def name(self) -> str:
        """The encoder's name, which every feature carries."""
        return self.manifest.name

    @property
    def modality(self) -> Modality:
        """What it encodes."""
        return self.manifest.modality

    @property
    def dimension(self) -> int:
        """The length of its vectors."""
        return self.manifest.dimension

    def encode(self, batch: Sequence[ItemT_contra]) -> Vectors:
        """float32 ``[len(batch), dimension]``: rows finite, of unit length, independent of their neighbours.

        An item that says nothing (no word of text, a sound without samples, a video without frames and
        sound), or whose output is the training mean itself, gives a row of zeros: it is near to nothing.

        Raises:
            EncoderInputError: an item has a wrong shape or dtype, or holds NaN; ``rows`` says which.
            EncoderOutputError: the network failed, or its output is not finite; ``rows`` says which.
        """
        if len(batch) == 0:
            return np.zeros((0, self.dimension), np.float32)
        raw = self._forward(batch)
        if raw.shape != (len(batch), self.dimension):
            raise GraphError(
                f"{self.name} gave vectors of shape {list(raw.shape)} for {len(batch)} items of dimension "
                f"{self.dimension}. Correct `dimension` in its manifest, or export the graph again."
            )
        bad = np.flatnonzero(~np.isfinite(raw).all(axis=1))
        if bad.size:
            raise EncoderOutputError(
                f"{self.name} gave a vector that is not finite.", tuple(int(row) for row in bad)
            )
        return unit_rows(raw)

    def mean_output(self, batch: Sequence[ItemT_contra]) -> Vectors:
        """The mean of the network's outputs, float32 [dimension], of items that say something.

        It is what a manifest's `output_mean` is to be for a catalogue of which ``batch`` is a sample; zeros
        where no item says anything.

        Raises:
            EncoderInputError: see `encode`.
            EncoderOutputError: see `encode`.
        """
        centred = self._forward(batch).astype(np.float64)
        said = centred[centred.any(axis=1)]
        if not len(said):
            return np.zeros(self.dimension, np.float32)
        return np.asarray(said.mean(axis=0) + np.asarray(self.manifest.output_mean or 0.0), np.float32)

    @abstractmethod
    def _forward(self, batch: Sequence[ItemT_contra]) -> Vectors:
        """Centred vectors [len(batch), dimension] of any length; zeros for an item that says nothing."""

    @abstractmethod
    def sample(self) -> ItemT_contra:  # type: ignore[misc]  # what `encode` takes, given back by the encoder
        """A small valid item, with which loading checks that the network works."""

    def check(self) -> None:
        """Encodes the sample: raises GraphError unless a finite vector of the right dimension comes out."""
        try:
            vectors = self.encode([self.sample()])
        except EncoderOutputError as error:
            raise GraphError(f"{self.name} fails on a plain sample: {error.detail}") from error
        if not vectors.any():
            raise GraphError(f"{self.name} gives no vector for a plain sample: its output has no length.")

    def _centred(self, raw: Vectors) -> Vectors:
        if not self.manifest.output_mean:
            return raw
        return raw - np.asarray(self.manifest.output_mean, np.float32)


def mean_direction(vectors: Sequence[Vectors]) -> Vectors:
    """Several media of an item as one: the mean of their vectors [n, D] at unit length, float32 [D].

    Zeros where they cancel out.
    """
    mean = np.mean(vectors, axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    return np.asarray(mean / length if length > 0 else mean, np.float32)


def unit_rows(rows: Vectors) -> Vectors:
    """Each row divided by its Euclidean length; a row shorter than ``MIN_NORM`` becomes zeros."""
    # In float64, because the square of a large float32 overflows.
    wide = rows.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.where(norms >= MIN_NORM, wide / np.maximum(norms, MIN_NORM), 0.0).astype(np.float32)
