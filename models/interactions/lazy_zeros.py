"""Zeros that take memory only where something was written."""

from __future__ import annotations

import math
import mmap
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

_PRIVATE = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)
_BLOCK_ROWS = 256


def lazy_zeros(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """float32 zeros, of which a page (4 KiB) comes to be in memory when it is first written.

    `numpy.zeros` asks for huge pages (2 MiB): of sparse values each holds some, so all would be there.
    Where the system has no such mappings, it is `numpy.zeros`.
    """
    count = math.prod(shape)
    if not count or not _PRIVATE:
        return np.zeros(shape, np.float32)
    memory = mmap.mmap(-1, 4 * count, flags=_PRIVATE)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        # A kernel without huge pages refuses.
        with suppress(OSError):
            memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, np.float32).reshape(shape)


def copy_written(source: NDArray[np.float32], into: NDArray[np.float32]) -> None:
    """Copy the values of a matrix that are not 0 into the first rows and columns of one of zeros."""
    for begin in range(0, len(source), _BLOCK_ROWS):
        block = source[begin : begin + _BLOCK_ROWS]
        if 8 * np.count_nonzero(block) > block.size:
            # Every page has something in it: a plain copy is faster.
            into[begin : begin + len(block), : block.shape[1]] = block
            continue
        at, columns = block.nonzero()
        into[begin + at, columns] = block[at, columns]
