"""The time of an event as it counts."""

from __future__ import annotations

from datetime import datetime, timedelta

from streams.messages import Event


def counted_time(event: Event, published_at: datetime, max_skew: timedelta) -> datetime:
    """When the event occurred; when Kafka took it, where it claims to be further ahead than ``max_skew``.

    An event from the future would outweigh everything that follows it.
    """
    return published_at if event.occurred_at > published_at + max_skew else event.occurred_at
