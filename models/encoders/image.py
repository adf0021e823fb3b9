"""Images: RGB pixels of the network's size, then one graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.encoders.encoder import Encoder, Pixels, Vectors
from models.encoders.manifest import ImageManifest
from models.encoders.session import Array, OnnxGraph, SessionSettings
from models.errors import EncoderInputError


class ImageEncoder(Encoder[Pixels]):
    """Encodes uint8 RGB images ``[size_px, size_px, 3]``; a batch may be one array of them."""

    manifest: ImageManifest

    def __init__(self, folder: Path, manifest: ImageManifest, settings: SessionSettings) -> None:
        self.manifest = manifest
        self._settings = settings
        self._graph = OnnxGraph(folder, manifest.graph, settings)
        options = manifest.preprocessing
        side = options.size_px
        self._graph.require_input(
            manifest.graph.inputs[0],
            "tensor(uint8)" if options.dtype == "uint8" else "tensor(float)",
            (None, side, side, 3) if options.layout == "nhwc" else (None, 3, side, side),
        )
        self._graph.require_output_dimension(manifest.dimension)
        self._batch_size = self._graph.input_shape[0] or settings.batch_size
        # (x / 255 - mean) / std as one multiplication and one addition
        std = np.asarray(options.std, np.float32)
        self._scale = (1 / (255 * std)).astype(np.float32)
        self._shift = (-np.asarray(options.mean, np.float32) / std).astype(np.float32)

    @property
    def size_px(self) -> int:
        """The side of the square images it takes."""
        return self.manifest.preprocessing.size_px

    def sample(self) -> Pixels:
        return np.random.default_rng(0).integers(0, 256, (self.size_px, self.size_px, 3), np.uint8)

    def _forward(self, batch: Sequence[Pixels]) -> Vectors:
        shape = (self.size_px, self.size_px, 3)
        bad = tuple(
            row
            for row, image in enumerate(batch)
            if not isinstance(image, np.ndarray) or image.shape != shape or image.dtype != np.uint8
        )
        if bad:
            raise EncoderInputError(f"{self.name} takes uint8 images of shape {list(shape)}.", bad)
        chunks = []
        for start in range(0, len(batch), self._batch_size):
            images = np.stack(list(batch[start : start + self._batch_size]))
            rows = len(images)
            if self._graph.input_shape[0]:  # a graph with a fixed batch is given that many
                images = np.concatenate([images, np.zeros((self._batch_size - rows, *shape), np.uint8)])
            chunks.append(self._graph.run(self._tensor(images))[:rows])
        return self._centred(np.concatenate(chunks))

    def _tensor(self, images: Pixels) -> Array:
        options = self.manifest.preprocessing
        tensor: Array = images
        if options.dtype == "float32":
            tensor = images * self._scale + self._shift
        if options.layout == "nchw":
            tensor = np.ascontiguousarray(tensor.transpose(0, 3, 1, 2))
        return tensor
