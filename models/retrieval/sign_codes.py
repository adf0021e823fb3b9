"""Vectors as a few bits each, by which the nearest of many can be told from the far without reading them.

A bit says on which side of a hyperplane through the origin a vector lies (Charikar 2002): the share of bits
in which two vectors differ is their angle over π, in the mean. Hyperplanes stand at right angles to each
other, which makes the estimate better than random ones do (Ji et al. 2012). 128 numbers of float32 become 16
bytes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint64]
Vectors = NDArray[np.float32]
# Of fewer bits an angle could not be told; of more dimensions there is a bit for each, up to so many.
_LEAST_BITS, _MOST_BITS = 128, 512
_WORD_BITS = 64
_SEED = 11


def code_words(dimension: int) -> int:
    """How many words of 64 bits a code of such vectors has."""
    return -(-min(max(_LEAST_BITS, dimension), _MOST_BITS) // _WORD_BITS)


@lru_cache(maxsize=8)
def hyperplanes(dimension: int) -> Vectors:
    """What stands at right angles to each hyperplane, float32 [dimension, bits]; the same everywhere."""
    bits = code_words(dimension) * _WORD_BITS
    size = (max(bits, dimension), bits)
    turned, _ = np.linalg.qr(np.random.default_rng(_SEED).standard_normal(size))
    return np.ascontiguousarray(turned[:dimension], np.float32)


def sign_codes(vectors: Vectors) -> Codes:
    """The code of each vector, uint64 [n, words].

    Args:
        vectors: float32 [n, D].
    """
    sides = vectors @ hyperplanes(vectors.shape[1]) > 0
    return np.packbits(sides, axis=1).view(np.uint64)


def differing_bits(codes: Codes, code: Codes) -> NDArray[np.uint16]:
    """In how many bits each code differs from one, uint16 [n].

    Args:
        codes: A word in each row, as what is read together then lies together, uint64 [words, n].
        code: uint64 [words].
    """
    found = np.zeros(codes.shape[1], np.uint16)
    for words, word in zip(codes, code, strict=True):
        found += np.bitwise_count(words ^ word)
    return found


def nearest_codes(differing: NDArray[np.uint16], count: int) -> NDArray[np.bool_]:
    """Which differ least, bool [n]: ``count`` of them, and those that differ as much as the last.

    Args:
        differing: uint16 [n].
        count: At least 1 and at most n.
    """
    most = int(np.searchsorted(np.bincount(differing).cumsum(), count))
    return np.asarray(differing <= most)
