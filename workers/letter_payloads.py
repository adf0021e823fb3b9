"""Dead letters in a storm: each is written, but not each with what it is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

import msgspec

from streams.codec import decode_value, encode
from streams.metrics import LETTERS_WITHOUT_PAYLOAD
from streams.records import Outgoing
from streams.topics import DEAD_LETTERS
from workers.ports import Publisher

_PERIOD_S = 60.0
# A letter without its payload.
_SMALL_BYTES = 4_096


class LimitedPayloads:
    """Publishes; of dead letters no more bytes a minute than the limit, but for small ones, which all go out.

    Who sends one bad message after the other would otherwise have each copied into a topic that is kept for
    longer. What a letter leaves out is still where it says: at its source, for as long as that is kept.

    Args:
        topic: The full name of `dead-letters`.
        bytes_per_minute: On average; as many may come at once.
        now_s: A clock that never goes back.
    """

    def __init__(
        self,
        publisher: Publisher,
        topic: str,
        bytes_per_minute: int,
        now_s: Callable[[], float] = monotonic,
    ) -> None:
        self._publisher = publisher
        self._topic = topic
        self._limit = bytes_per_minute
        self._now_s = now_s
        self._left_bytes = float(bytes_per_minute)
        self._counted_s = now_s()

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """See `Publisher`."""
        await self._publisher.publish([self._limited(record) for record in records])

    def _limited(self, record: Outgoing) -> Outgoing:
        size = len(record.value or b"")
        if record.topic != self._topic or record.value is None or size <= _SMALL_BYTES:
            return record
        now_s = self._now_s()
        refilled = (now_s - self._counted_s) * self._limit / _PERIOD_S
        self._left_bytes = min(self._limit, self._left_bytes + refilled)
        self._counted_s = now_s
        if size <= self._left_bytes:
            self._left_bytes -= size
            return record
        LETTERS_WITHOUT_PAYLOAD.inc()
        letter = msgspec.structs.replace(decode_value(record.value, DEAD_LETTERS), payload=None)
        return msgspec.structs.replace(record, value=encode(letter))
