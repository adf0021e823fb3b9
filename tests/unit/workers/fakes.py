"""Stand-ins for the stream: records on loan, and a publisher that remembers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from streams.errors import DependencyDownError
from streams.records import Outgoing, Record

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def now() -> datetime:
    return NOW


def record(
    topic: str,
    value: bytes | None,
    *,
    key: bytes | None = None,
    offset: int = 0,
    partition: int = 0,
    topic_uuid: str = "uuid-1",
    at: datetime = NOW,
) -> Record:
    return Record(topic, topic_uuid, partition, offset, round(at.timestamp() * 1_000), key, value)


class FakeDelivery:
    def __init__(self, of: Record) -> None:
        self.record = of
        self.is_done = False

    def done(self) -> None:
        self.is_done = True


class FakePublisher:
    """Remembers what was published; fails the next ``failures`` calls."""

    def __init__(self) -> None:
        self.published: list[Outgoing] = []
        self.failures = 0

    async def publish(self, records: Sequence[Outgoing]) -> None:
        if self.failures:
            self.failures -= 1
            raise DependencyDownError("Kafka is away")
        self.published += records

    def on(self, topic: str) -> list[Outgoing]:
        return [one for one in self.published if one.topic == topic]

    def take(self) -> list[Outgoing]:
        taken, self.published = self.published, []
        return taken
