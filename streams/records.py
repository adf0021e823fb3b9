"""What comes out of Kafka and what goes in, before and after any decoding."""

from __future__ import annotations

import msgspec


# msgspec makes a struct in a tenth of the time that a frozen dataclass takes. They hold nothing that could
# hold them, so the garbage collector need not look at them.
class Record(msgspec.Struct, frozen=True, gc=False):
    """One Kafka record as it was read.

    ``topic_uuid`` is Kafka's id of the topic: a topic deleted and created again has another one.
    ``timestamp_ms`` is Kafka's timestamp, in milliseconds since the epoch.
    """

    topic: str
    topic_uuid: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """One record to publish.

    ``partition`` None leaves the choice to murmur2 of the key. A topic with fewer partitions, which an
    operator may have made, takes it modulo their number.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
