"""What a role needs of the stream, as interfaces: roles are tested without Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from streams.records import Outgoing, Record


class Delivery(Protocol):
    """One record on loan."""

    @property
    def record(self) -> Record:
        """What was read."""

    def done(self) -> None:
        """Its effect is stored and its output acknowledged: it need not come again."""


class Publisher(Protocol):
    """Publishes records."""

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Publish; returns once Kafka has acknowledged every one. Raises DependencyDownError."""
