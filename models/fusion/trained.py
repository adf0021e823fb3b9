"""A fusion that was trained: an ONNX graph from a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from models.encoders.session import OnnxGraph, SessionSettings
from models.errors import DimensionError, EncoderOutputError, GraphError, ManifestError
from models.fusion.bundle import read_fusion_manifest
from models.fusion.interface import MODALITIES, Modality, Vector
from models.fusion.linear import EncoderSpec

_MIN_NORM = 1e-6


class TrainedFusion:
    """Fusion by a trained network; see `models.fusion.interface.Fusion`.

    A modality whose encoder the network did not learn with is accepted and left out, so that an item that has
    nothing else has no vector.

    Args:
        folder: The bundle.
        encoders: Those in use.
        settings: How ONNX Runtime runs.

    Raises:
        ManifestError: The bundle is damaged, or was trained with other encoders than those in use.
        GraphError: The graph is not what its manifest says.
    """

    def __init__(
        self, folder: Path, encoders: Mapping[Modality, EncoderSpec], settings: SessionSettings | None = None
    ) -> None:
        manifest = read_fusion_manifest(folder)
        self._encoders = {modality: encoders[modality] for modality in MODALITIES if modality in encoders}
        self._columns: dict[Modality, tuple[int, slice]] = {}
        begin = 0
        for index, given in enumerate(manifest.inputs):
            own = self._encoders.get(given.modality)
            if own is None or (own.sha256, own.dimension) != (given.encoder_sha256, given.dimension):
                here = f"{own.name} [{own.dimension}]" if own else "none"
                raise ManifestError(
                    f"the fusion in {folder} learned with the {given.modality} encoder {given.encoder} "
                    f"[{given.dimension}], here is {here}. Train it anew with the encoders in use, "
                    "or use those."
                )
            if given.modality in self._columns:
                raise ManifestError(f"the fusion in {folder} names {given.modality} twice")
            self._columns[given.modality] = (index, slice(begin, begin + given.dimension))
            begin += given.dimension
        self._width = begin
        if set(manifest.graph.inputs) != {"features", "present"}:
            raise GraphError(f"the fusion in {folder} must have the inputs features and present")
        self._graph = OnnxGraph(folder, manifest.graph, settings or SessionSettings())
        self._graph.require_input("features", "tensor(float)", (None, begin))
        self._graph.require_input("present", "tensor(float)", (None, len(manifest.inputs)))
        self._graph.require_output_dimension(manifest.dimension)
        self._feeds_features_first = manifest.graph.inputs[0] == "features"
        self._dimension = manifest.dimension
        self._space = manifest.space

    @property
    def space(self) -> str:
        """The method and 8 hex digits of the graph's hash, which the encoders' are bound to."""
        return self._space

    @property
    def dimension(self) -> int:
        """As the manifest says."""
        return self._dimension

    def fuse(self, features: Mapping[Modality, Vector]) -> Vector | None:
        """See `Fusion.fuse`."""
        return self.fuse_batch([features])[0]

    def fuse_batch(self, batch: Sequence[Mapping[Modality, Vector]]) -> list[Vector | None]:
        """See `Fusion.fuse_batch`."""
        if not batch:
            return []
        stacked = np.zeros((len(batch), self._width), np.float32)
        present = np.zeros((len(batch), len(self._columns)), np.float32)
        for row, features in enumerate(batch):
            for modality, feature in features.items():
                unit = self._unit(modality, feature)
                if modality in self._columns and unit.any():
                    index, columns = self._columns[modality]
                    stacked[row, columns], present[row, index] = unit, 1
        inputs = (stacked, present) if self._feeds_features_first else (present, stacked)
        # An item at a time: an item's vector does not depend on its batch, to the last bit.
        rows = [self._graph.run(*(one[row : row + 1] for one in inputs))[0] for row in range(len(batch))]
        return [
            self._checked(row) if is_there.any() else None
            for row, is_there in zip(rows, present, strict=True)
        ]

    def _checked(self, vector: Vector) -> Vector | None:
        norm = float(np.linalg.norm(vector.astype(np.float64)))
        if not np.isfinite(norm):
            raise EncoderOutputError(f"the fusion {self._space} gave a vector that is not finite")
        return np.asarray(vector / norm, np.float32) if norm > _MIN_NORM else None

    def _unit(self, modality: Modality, feature: Vector) -> Vector:
        encoder = self._encoders.get(modality)
        if encoder is None:
            raise DimensionError(
                f"there is no {modality} encoder here; there is {', '.join(self._encoders) or 'none'}"
            )
        feature = np.asarray(feature)
        if feature.shape != (encoder.dimension,):
            raise DimensionError(
                f"{modality} encoder {encoder.name} gives [{encoder.dimension}]; "
                f"the feature is {list(feature.shape)}"
            )
        # float64, so that the square of a large but finite float32 does not overflow.
        wide = feature.astype(np.float64)
        norm = float(np.linalg.norm(wide))
        if not np.isfinite(norm):
            raise EncoderOutputError(
                f"a {modality} feature of {encoder.name} holds a number that is not finite"
            )
        return np.asarray(wide / norm if norm > 0 else wide, np.float32)
