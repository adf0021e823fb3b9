"""What a loop took, from its first record to its last: by the clock, and in processor time of all threads."""

from __future__ import annotations

import time

import msgspec


class Taken(msgspec.Struct, frozen=True):
    """Seconds that a number of records took."""

    records: int
    wall_s: float
    processor_s: float

    @property
    def per_s(self) -> float:
        """Records/s by the clock."""
        return self.records / self.wall_s

    @property
    def processor_us(self) -> float:
        """Microseconds of processor time a record."""
        return 1e6 * self.processor_s / self.records


class Clock:
    """Started by the first record."""

    def __init__(self) -> None:
        self._started: tuple[float, float] | None = None

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._started is None:
            self._started = time.perf_counter(), time.process_time()

    def taken(self, records: int) -> Taken:
        """What passed since the start.

        Raises:
            RuntimeError: It was not started.
        """
        if self._started is None:
            raise RuntimeError("no record has come")
        wall_s, processor_s = self._started
        return Taken(records, time.perf_counter() - wall_s, time.process_time() - processor_s)
