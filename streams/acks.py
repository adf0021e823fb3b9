"""Which offset of a partition may be committed while its records are finished in any order."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from streams.errors import DefectError


class AckTracker:
    """The delivered records of one partition, and which of them are done.

    Batches cover ranges of offsets without a hole between them; within a range some offsets hold no record
    (compaction, transaction markers). What is committed may pass those, and never a record that was
    delivered and is not done.

    Args:
        position: Offset at which the first range begins.
    """

    def __init__(self, position: int) -> None:
        self._next_position = position
        self._pending: deque[int] = deque()
        self._open: set[int] = set()

    @property
    def next_position(self) -> int:
        """Offset at which the next range must begin."""
        return self._next_position

    @property
    def committable(self) -> int:
        """The offset to commit: everything below it is done, or holds no record."""
        return self._pending[0] if self._pending else self._next_position

    @property
    def in_flight(self) -> int:
        """Records delivered and not done."""
        return len(self._open)

    def deliver(self, start: int, end: int, offsets: Sequence[int]) -> None:
        """Take note of a fetched range ``[start, end)`` that holds records at ``offsets``, ascending.

        Raises:
            DefectError: The range does not begin where the last one ended, or offsets are out of it or order.
        """
        if start != self._next_position or end < start:
            raise DefectError(f"a range [{start}, {end}) was delivered where {self._next_position} is next")
        previous = start - 1
        for offset in offsets:
            if not previous < offset < end:
                raise DefectError(f"offset {offset} is out of order or not within [{start}, {end})")
            previous = offset
        self._pending.extend(offsets)
        self._open.update(offsets)
        self._next_position = end

    def done(self, offset: int) -> None:
        """Mark the record at ``offset`` as done; one done already, or never delivered, is ignored."""
        pending, still_open = self._pending, self._open
        still_open.discard(offset)
        while pending and pending[0] not in still_open:
            pending.popleft()
