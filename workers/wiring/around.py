"""What every role is wired with, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from streams.driver import Processor, StartPositions
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.ports import Publisher
from workers.state.redis_store import RedisStateStore


def utc_now() -> datetime:
    """The clock of a worker."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Around:
    """What is around a role.

    Attributes:
        start_anew: To be called where the role is to be wired and started again.
        set_back: As that, where the state is found to be older than it was, or gone.
        was_set_back: It was found so before this start.
        resources: What is open until the role ends.
    """

    settings: Settings
    topics: TopicNames
    store: RedisStateStore
    publisher: Publisher
    start_anew: Callable[[], None]
    set_back: Callable[[], None]
    was_set_back: bool
    resources: AsyncExitStack


@dataclass(slots=True)
class Wiring:
    """A role's parts, before its runner.

    ``group`` names the consumer group after the prefix; encode roles and fuse carry the vector space in
    it, so that other encoders or another fusion read everything anew.
    """

    group: str
    topics: Sequence[str]
    processor: Processor
    start_positions: StartPositions | None = None
