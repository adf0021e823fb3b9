"""The starting fusion: a fixed linear layer over the modalities present.

With ``n_m`` the feature of modality m at unit length, ``a_m`` its weight and ``W_m`` its block::

    W₁   = [a_text·W_text | a_image·W_image | a_audio·W_audio | a_video·W_video]      [256, Σ d_m]
    f(i) = [n_text, n_image, n_audio, n_video] / ‖Σ_m a_m W_m n_m‖, zeros where absent  [Σ d_m]
    v_i  = W₁ f(i)                                                    of unit length   [256]

so that an item with any subset of modalities has a vector of the same length.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import DimensionError, EncoderOutputError, SettingError
from models.fusion.interface import MODALITIES, Modality, Vector
from models.fusion.projection import orthonormal_projection

BLOCK_ROWS: dict[Modality, slice] = {
    "text": slice(0, 128),
    "image": slice(128, 192),
    "audio": slice(192, 256),
    "video": slice(128, 256),
}
FUSED_DIMENSION = 256
DEFAULT_SEED = 1
# Below this length a sum of unit vectors is rounding, not a direction.
_MIN_NORM = 1e-6


@dataclass(frozen=True, slots=True)
class EncoderPart:
    """One stretch of a composite encoder's output, in the space of another encoder.

    ``sha256`` is that of the graph that made it. ``offset`` and ``dimension`` say where it lies.
    """

    modality: Modality
    sha256: str
    offset: int
    dimension: int


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """What a fusion needs to know of a modality's encoder."""

    name: str
    sha256: str
    dimension: int
    parts: tuple[EncoderPart, ...] = ()


@dataclass(frozen=True, slots=True)
class FusionWeights:
    """How much each modality weighs in the fused vector, a_m; 0 leaves it out."""

    text: float = 1.0
    image: float = 1.0
    audio: float = 1.0
    video: float = 1.0

    def __post_init__(self) -> None:
        for modality in MODALITIES:
            if not (math.isfinite(self.of(modality)) and self.of(modality) >= 0):
                raise SettingError(f"fusion weight `{modality}` must be a number ≥ 0")

    def of(self, modality: Modality) -> float:
        """The weight of one modality."""
        return float(getattr(self, modality))


class LinearFusion:
    """Fusion through the fixed block matrix W₁.

    A modality's block maps its encoder's output to the rows of that modality: as it is where the
    dimensions agree, else through a seeded orthonormal projection. Video has the rows of image and
    audio. Where the video encoder is made of this deployment's own image and audio encoders, its parts
    go through their blocks, so that a film meets pictures and sounds that resemble it.

    Args:
        encoders: Modality → encoder; modalities without one are not accepted by `fuse`.
        weights: a_m.
        seed: Of the projections.

    Raises:
        DimensionError: An encoder has no dimension, or a part lies outside its encoder's output.
    """

    def __init__(
        self,
        encoders: Mapping[Modality, EncoderSpec],
        weights: FusionWeights | None = None,
        seed: int = DEFAULT_SEED,
    ) -> None:
        self._encoders = {modality: encoders[modality] for modality in MODALITIES if modality in encoders}
        self._weights = weights or FusionWeights()
        for modality, encoder in self._encoders.items():
            _check_encoder(modality, encoder)
        self._columns = _column_ranges(self._encoders)
        self._w1 = self._build(seed)
        self._space = "linear-" + _fingerprint(self._encoders, self._weights, seed)

    @property
    def space(self) -> str:
        """``linear-`` and 8 hex digits of what the vectors depend on: encoders, weights, seed."""
        return self._space

    @property
    def dimension(self) -> int:
        """256."""
        return FUSED_DIMENSION

    @property
    def feature_dimension(self) -> int:
        """Σ d_m, the length of f(i)."""
        return int(self._w1.shape[1])

    def w1(self) -> NDArray[np.float32]:
        """W₁ with the modality weights in it, float32 [256, Σ d_m]; a copy."""
        return self._w1.copy()

    def features(self, features: Mapping[Modality, Vector]) -> Vector | None:
        """f(i), float32 [Σ d_m], such that W₁ f(i) is the fused vector; None as `fuse`."""
        stacked, _, scale = self._stack([features])
        return stacked[0] * scale[0] if scale[0] else None

    def fuse(self, features: Mapping[Modality, Vector]) -> Vector | None:
        """See `Fusion.fuse`."""
        return self.fuse_batch([features])[0]

    def fuse_batch(self, batch: Sequence[Mapping[Modality, Vector]]) -> list[Vector | None]:
        """See `Fusion.fuse_batch`."""
        if not batch:
            return []
        _, sums, scale = self._stack(batch)
        return [row * factor if factor else None for row, factor in zip(sums, scale, strict=True)]

    def _stack(self, batch: Sequence[Mapping[Modality, Vector]]) -> tuple[Vector, Vector, Vector]:
        """[n_m …] a row an item [B, Σ d_m]; W₁ times them [B, 256]; 1 / its length, or 0 [B]. All float32."""
        stacked = np.zeros((len(batch), self.feature_dimension), np.float32)
        for row, features in zip(stacked, batch, strict=True):
            for modality, feature in features.items():
                columns = self._columns.get(modality)
                if columns is None:
                    raise DimensionError(
                        f"there is no {modality} encoder here; there is {', '.join(self._columns) or 'none'}"
                    )
                row[columns] = _unit(modality, self._encoders[modality], feature)
        # One dot product a row, without BLAS threads: an item's vector does not depend on its batch.
        sums = np.vecdot(stacked[:, None], self._w1[None])
        norms = np.linalg.norm(sums, axis=1)
        scale = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > _MIN_NORM)
        return stacked, sums, scale

    def _build(self, seed: int) -> NDArray[np.float32]:
        width = sum(encoder.dimension for encoder in self._encoders.values())
        w1 = np.zeros((FUSED_DIMENSION, width), np.float32)
        for modality, encoder in self._encoders.items():
            columns = self._columns[modality]
            parts = self._shared_parts(encoder)
            if not parts:
                w1[BLOCK_ROWS[modality], columns] = _block(modality, encoder.dimension, seed)
            for part in parts:
                begin = columns.start + part.offset
                w1[BLOCK_ROWS[part.modality], begin : begin + part.dimension] = _block(
                    part.modality, part.dimension, seed
                )
            w1[:, columns] *= self._weights.of(modality)
        return w1

    def _shared_parts(self, encoder: EncoderSpec) -> tuple[EncoderPart, ...]:
        """The parts of a composite, if every one is in the space of an encoder of this deployment."""
        for part in encoder.parts:
            own = self._encoders.get(part.modality)
            if own is None or (own.sha256, own.dimension) != (part.sha256, part.dimension):
                return ()
        return encoder.parts


def bilinear_score(
    user: NDArray[np.floating], w1: NDArray[np.floating], features: NDArray[np.floating], bias: float
) -> float:
    """R(u, i) = uᵀ W₁ f(i) + b₁, in float64.

    Args:
        user: u, [D].
        w1: W₁, [D, F].
        features: f(i), [F].
        bias: b₁.

    Raises:
        DimensionError: The shapes do not chain; the message states them.
    """
    if not (user.ndim == 1 and w1.ndim == 2 and features.ndim == 1) or w1.shape != (
        user.shape[0],
        features.shape[0],
    ):
        raise DimensionError(
            f"uᵀ W₁ f(i) + b₁ needs u [D], W₁ [D, F] and f(i) [F]; "
            f"got u {list(user.shape)}, W₁ {list(w1.shape)} and f(i) {list(features.shape)}"
        )
    return float(user.astype(np.float64) @ (w1.astype(np.float64) @ features.astype(np.float64)) + bias)


def _block(modality: Modality, dimension: int, seed: int) -> NDArray[np.float32]:
    """W_m, float32 [rows of the modality, dimension]."""
    rows = BLOCK_ROWS[modality].stop - BLOCK_ROWS[modality].start
    # A video encoder of its own has nothing in common with the image and audio rows, even at 128.
    if dimension == rows and modality != "video":
        return np.eye(rows, dtype=np.float32)
    return orthonormal_projection(seed, MODALITIES.index(modality), rows, dimension)


def _unit(modality: Modality, encoder: EncoderSpec, feature: Vector) -> NDArray[np.float32]:
    feature = np.asarray(feature)
    if feature.shape != (encoder.dimension,):
        raise DimensionError(
            f"{modality} encoder {encoder.name} gives [{encoder.dimension}]; "
            f"the feature is {list(feature.shape)}"
        )
    # float64, so that the square of a large but finite float32 does not overflow.
    wide = feature.astype(np.float64)
    norm = float(np.linalg.norm(wide))
    if not math.isfinite(norm):
        raise EncoderOutputError(f"a {modality} feature of {encoder.name} holds a number that is not finite")
    return (wide / norm if norm > 0 else wide).astype(np.float32)


def _check_encoder(modality: Modality, encoder: EncoderSpec) -> None:
    if encoder.dimension < 1:
        raise DimensionError(f"{modality} encoder {encoder.name} has dimension {encoder.dimension}")
    for part in encoder.parts:
        if part.offset < 0 or part.dimension < 1 or part.offset + part.dimension > encoder.dimension:
            raise DimensionError(
                f"{modality} encoder {encoder.name} has {encoder.dimension} numbers; its {part.modality} "
                f"part is said to be {part.dimension} from {part.offset}"
            )

    if encoder.parts and sum(part.dimension for part in encoder.parts) != encoder.dimension:
        raise DimensionError(
            f"the parts of {modality} encoder {encoder.name} have "
            f"{sum(part.dimension for part in encoder.parts)} numbers; it gives {encoder.dimension}"
        )


def _column_ranges(encoders: Mapping[Modality, EncoderSpec]) -> dict[Modality, slice]:
    ranges: dict[Modality, slice] = {}
    begin = 0
    for modality, encoder in encoders.items():
        ranges[modality] = slice(begin, begin + encoder.dimension)
        begin += encoder.dimension
    return ranges


def _fingerprint(encoders: Mapping[Modality, EncoderSpec], weights: FusionWeights, seed: int) -> str:
    described = {
        "encoders": {
            modality: [
                encoder.name,
                encoder.sha256,
                encoder.dimension,
                [[part.modality, part.sha256, part.offset, part.dimension] for part in encoder.parts],
            ]
            for modality, encoder in encoders.items()
        },
        "weights": {modality: float(weights.of(modality)) for modality in encoders},
        "seed": seed,
        "dimension": FUSED_DIMENSION,
    }
    text = json.dumps(described, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]
