"""By when topics have let go of what was published until now, by their configuration in Kafka."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from streams.topic_admin import TopicState

# Kafka looks for what to delete every five minutes, and deletes files a minute later.
_SWEEP = timedelta(minutes=10)
_DAY_MS = 86_400_000
# What Kafka takes to be for ever.
_FOR_EVER_MS = 2**62


@dataclass(frozen=True, slots=True)
class Expiry:
    """By topic, when what was published until a moment is gone; and the topics that never let go of it."""

    expires_at: dict[str, datetime]
    never: tuple[str, ...]


class PersonalExpiry:
    """`personal_expiry` by what Kafka says, which is asked again after a while. Safe from several threads.

    Args:
        read: The topics as Kafka has them, those that hold people.
        keep_s: For so long an answer counts.
    """

    def __init__(
        self,
        read: Callable[[], Sequence[TopicState]],
        keep_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._keep_s = keep_s
        self._clock = clock
        self._lock = threading.Lock()
        self._states: Sequence[TopicState] = ()
        self._until_s = -math.inf

    def __call__(self, until: datetime) -> Expiry:
        """See `personal_expiry`; raises what ``read`` raises."""
        with self._lock:
            if self._clock() >= self._until_s:
                self._states = self._read()
                self._until_s = self._clock() + self._keep_s
            return personal_expiry(self._states, until)


def personal_expiry(states: Iterable[TopicState], until: datetime) -> Expiry:
    """Of the topics whose records say whom they are about.

    A record goes with its segment: when the newest record of it, at most `segment.ms` younger, is past
    `retention.ms`. In a compacted topic the values before a tombstone go within `max.compaction.lag.ms`
    (`min.compaction.lag.ms`, if that is longer), and the tombstone, which still has the key,
    `delete.retention.ms` after that, with the next compaction.

    Args:
        states: As Kafka has them.
        until: The moment; the newest record about the person is no younger.
    """
    expires_at: dict[str, datetime] = {}
    never = []
    for state in states:
        if not state.topic.is_personal or not state.partitions:
            continue
        kept_ms = _kept_ms(state.config)
        if kept_ms is None:
            never.append(state.name)
        else:
            expires_at[state.name] = until + timedelta(milliseconds=kept_ms) + _SWEEP
    return Expiry(expires_at, tuple(never))


def _kept_ms(config: dict[str, str]) -> int | None:
    def number(name: str, default: int) -> int:
        return int(config.get(name, default))

    if "compact" in config.get("cleanup.policy", "delete"):
        lag_ms = max(number("max.compaction.lag.ms", _FOR_EVER_MS), number("min.compaction.lag.ms", 0))
        if lag_ms >= _FOR_EVER_MS:
            return None
        return 2 * lag_ms + number("delete.retention.ms", _DAY_MS)
    retention_ms = number("retention.ms", 7 * _DAY_MS)
    segment_ms = number("segment.ms", 7 * _DAY_MS)
    return None if retention_ms < 0 else retention_ms + segment_ms
