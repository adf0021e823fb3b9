"""Models that are learned across people, on their way through the topic `learned`.

A large one goes in parts. A reader takes a model once all parts of one step are there, and never one that
is older than what it has: what a writer that lost its place still sends is harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import structlog
from aiokafka import ConsumerRecord

from streams.codec import decode_value, outgoing
from streams.internal_messages import LearnedPart
from streams.records import Outgoing
from streams.topics import LEARNED

PART_BYTES = 4 << 20
MAX_PARTS = 64

_log = structlog.get_logger()


def learned_records(
    topic: str, model: str, payload: bytes, *, epoch: int, step: int, learned_at: datetime
) -> list[Outgoing]:
    """A model as records of `learned`."""
    slices = [payload[begin : begin + PART_BYTES] for begin in range(0, len(payload), PART_BYTES)] or [b""]
    return [
        outgoing(
            topic,
            LearnedPart(
                model=model,
                epoch=epoch,
                step=step,
                part=part,
                parts=len(slices),
                learned_at=learned_at,
                payload=piece,
            ),
        )
        for part, piece in enumerate(slices)
    ]


class LearnedReader:
    """Puts models together from their parts. No I/O.

    Args:
        on_model: Given model, epoch, step and payload of each complete model that is newer than the last.
    """

    def __init__(self, on_model: Callable[[str, int, int, bytes], None]) -> None:
        self._on_model = on_model
        self._complete: dict[str, tuple[int, int]] = {}
        self._pending: dict[str, dict[int, LearnedPart]] = {}
        self.epoch = 0

    def take(self, records: Sequence[ConsumerRecord]) -> None:
        """Take what was read; a record that cannot be taken costs itself alone."""
        for record in records:
            if record.value is None:
                continue
            try:
                self.part(decode_value(record.value, LEARNED))
            except Exception:
                where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
                _log.exception("a learned model cannot be taken: the last good one serves on", **where)

    def part(self, part: LearnedPart) -> None:
        """Take one part."""
        self.epoch = max(self.epoch, part.epoch)
        at = (part.epoch, part.step)
        if at <= self._complete.get(part.model, (-1, -1)) or part.parts > MAX_PARTS:
            return
        pending = self._pending.setdefault(part.model, {})
        held = next(iter(pending.values()), None)
        if held is not None and (held.epoch, held.step) != at:
            if (held.epoch, held.step) > at:
                return
            pending.clear()
        pending[part.part] = part
        if len(pending) < part.parts:
            return
        del self._pending[part.model]
        self._complete[part.model] = at
        self._on_model(part.model, part.epoch, part.step, _payload(pending.values()))


def _payload(parts: Iterable[LearnedPart]) -> bytes:
    return b"".join(part.payload for part in sorted(parts, key=lambda one: one.part))
