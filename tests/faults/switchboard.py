"""What a test may change inside a worker while it runs: its wall clock, and whether its networks fail.

A file of a few bytes, mapped by the test and by the worker.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

ENVIRONMENT = "FRESHET_TEST_SWITCHBOARD"
# Seconds that the clock is off; whether models fail; how often they did; how often the wrong clock was read.
_LAYOUT = struct.Struct("<dQQQ")


class Switchboard:
    """Both ends: the test writes the switches, the worker the counts."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_LAYOUT.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _LAYOUT.size)

    @property
    def clock_offset_s(self) -> float:
        """How far the worker's wall clock is off."""
        return float(struct.unpack_from("<d", self._map, 0)[0])

    @clock_offset_s.setter
    def clock_offset_s(self, offset_s: float) -> None:
        struct.pack_into("<d", self._map, 0, offset_s)

    @property
    def models_fail(self) -> bool:
        """Whether ONNX Runtime raises on every input."""
        return self._count(8) > 0

    @models_fail.setter
    def models_fail(self, fail: bool) -> None:
        struct.pack_into("<Q", self._map, 8, int(fail))

    @property
    def model_failures(self) -> int:
        """How often a network was made to fail."""
        return self._count(16)

    @property
    def clock_reads(self) -> int:
        """How often a clock that was off was read."""
        return self._count(24)

    def count_model_failure(self) -> None:
        """The worker's."""
        struct.pack_into("<Q", self._map, 16, self.model_failures + 1)

    def count_clock_read(self) -> None:
        """The worker's."""
        struct.pack_into("<Q", self._map, 24, self.clock_reads + 1)

    def _count(self, at: int) -> int:
        return int(struct.unpack_from("<Q", self._map, at)[0])
