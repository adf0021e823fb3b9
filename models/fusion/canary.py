"""Whether a trained fusion computes what it should, before any list depends on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from models.errors import CanaryError
from models.fusion.bundle import FusionManifest, FusionSample
from models.fusion.interface import Fusion, Modality, Vector

MIN_COSINE = 0.999
"""Of a sample's vector and what is computed here. Processors and versions of ONNX Runtime differ by less."""
# Random items are all unlike each other: where their vectors are this near, everything has become the same.
_MAX_MEAN_COSINE = 0.999
_MAX_NORM_ERROR = 1e-3
_RANDOM_ITEMS = 16


def make_samples(fusion: Fusion, items: Sequence[Mapping[Modality, Vector]]) -> tuple[FusionSample, ...]:
    """What a fusion makes of items, to be stated in its manifest; items without a vector are left out."""
    return tuple(
        FusionSample(
            features={modality: vector.astype("<f4").tobytes() for modality, vector in item.items()},
            vector=fused.astype("<f4").tobytes(),
        )
        for item, fused in zip(items, fusion.fuse_batch(items), strict=True)
        if fused is not None
    )


def random_items(
    manifest: FusionManifest, count: int = _RANDOM_ITEMS, seed: int = 0
) -> list[dict[Modality, Vector]]:
    """Items with random unit features: ``count`` with each subset of the modalities of the fusion."""
    random = np.random.default_rng(seed)
    found: list[dict[Modality, Vector]] = []
    for size in range(1, len(manifest.inputs) + 1):
        for subset in combinations(manifest.inputs, size):
            for _ in range(count):
                item: dict[Modality, Vector] = {}
                for given in subset:
                    vector = random.standard_normal(given.dimension)
                    item[given.modality] = (vector / np.linalg.norm(vector)).astype(np.float32)
                found.append(item)
    return found


def check_fusion(fusion: Fusion, manifest: FusionManifest) -> None:
    """Run a fusion on its samples and on random items.

    Raises:
        CanaryError: There is no sample, or one comes out differently; a vector is not finite, not of unit
            length or of another dimension; or all items come out alike.
    """
    if not manifest.samples:
        raise CanaryError("its manifest has no `samples` to try it by: train it anew with this release")
    given = [_features(number, sample, manifest) for number, sample in enumerate(manifest.samples)]
    for number, (sample, found) in enumerate(zip(manifest.samples, _fused(fusion, given), strict=True)):
        stated = _floats(sample.vector, manifest.dimension, f"the vector of sample {number}")
        if found is None:
            raise CanaryError(f"its sample {number} has no vector here")
        cosine = float(stated.astype(np.float64) @ found / max(1e-12, float(np.linalg.norm(stated))))
        if not cosine >= MIN_COSINE:
            raise CanaryError(
                f"its sample {number} comes out with a cosine of {cosine:.4f} to the vector of its "
                f"manifest; {MIN_COSINE} is the least. It is not the graph that was trained, or it runs "
                "differently here"
            )
    vectors = [one for one in _fused(fusion, random_items(manifest)) if one is not None]
    if not vectors:
        raise CanaryError("it makes no vector of any random item")
    total = np.stack(vectors).astype(np.float64).sum(axis=0)
    count = len(vectors)
    mean_cosine = (float(total @ total) - count) / max(1, count * (count - 1))
    if mean_cosine > _MAX_MEAN_COSINE:
        raise CanaryError(
            f"random items come out alike (their mean cosine is {mean_cosine:.4f}): it has collapsed"
        )


def _fused(fusion: Fusion, items: Sequence[Mapping[Modality, Vector]]) -> list[Vector | None]:
    found = fusion.fuse_batch(items)
    for vector in found:
        if vector is None:
            continue
        if vector.shape != (fusion.dimension,):
            raise CanaryError(f"it gives {list(vector.shape)}, its dimension is {fusion.dimension}")
        norm = float(np.linalg.norm(vector.astype(np.float64)))
        if not abs(norm - 1.0) <= _MAX_NORM_ERROR:
            raise CanaryError(f"it gives a vector of length {norm:.4f}, not 1")
    return found


def _features(number: int, sample: FusionSample, manifest: FusionManifest) -> dict[Modality, Vector]:
    dimensions = {one.modality: one.dimension for one in manifest.inputs}
    unknown = sample.features.keys() - dimensions.keys()
    if unknown:
        raise CanaryError(f"its sample {number} has {min(unknown)}, which the fusion does not take")
    return {
        modality: _floats(packed, dimensions[modality], f"{modality} of sample {number}")
        for modality, packed in sample.features.items()
    }


def _floats(packed: bytes, dimension: int, what: str) -> NDArray[np.float32]:
    if len(packed) != 4 * dimension:
        raise CanaryError(f"{what} has {len(packed)} bytes, {dimension} float32 have {4 * dimension}")
    return np.frombuffer(packed, "<f4")
