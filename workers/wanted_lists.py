"""What the recommend role passes between its steps: what a list is wanted for, and what answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from models.profile import Profile, hash64
from models.profile.hashing import contains_hash
from models.ranking import ListOrder, ListQuery
from streams.internal_messages import ProfileChanged
from streams.messages import Cause, Recommendation, RecommendationRequest
from workers.ports import Delivery
from workers.query_reader import Asked
from workers.recommend_requests import recommendation_id


@dataclass(frozen=True, slots=True)
class Answer:
    """A list, ready to publish. ``newest``: it is also the user's newest list in Redis.

    ``since_ms`` is that of the profile behind it.
    """

    recommendation: Recommendation
    newest: bool
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class ReadyRequest:
    """A request that can be answered now. ``asked``: what it asks for in words, where it does."""

    delivery: Delivery
    request: RecommendationRequest
    profile: Profile
    asked: Asked | None


@dataclass(frozen=True, slots=True)
class WantedList:
    """What a list is made from."""

    profile: Profile
    cause: Cause
    query: ListQuery
    at: datetime
    context: Mapping[str, Any]
    asked: Asked | None = None

    def with_asked(self, asked: Asked) -> WantedList:
        """The same, with what is asked for read into another vector space."""
        return replace(self, asked=asked, query=replace(self.query, asked=asked.vector))

    def order(self, shown_ms: Mapping[str, int]) -> ListOrder:
        """The order for the list, with when items were last shown, in ms since 1970."""
        return ListOrder(
            self.profile,
            self.query,
            round(self.at.timestamp() * 1_000),
            self.context,
            shown_ms,
            seed=int(recommendation_id(self.profile.user_id, self.cause), 16),
        )


def asked_at(delivery: Delivery) -> datetime:
    """When Kafka took the request: the time as of which it is answered."""
    return datetime.fromtimestamp(delivery.record.timestamp_ms / 1_000, UTC)


def covering(held: ProfileChanged, change: ProfileChanged) -> ProfileChanged:
    """Two changes of a person as one: the newer state, and the cause that occurred last.

    So a list that is due stays due where events of an import follow in the same batch.
    """
    newer = change if (change.since_ms, change.version) >= (held.since_ms, held.version) else held
    latest = max(change.cause, held.cause, key=lambda cause: cause.occurred_at)
    return newer if newer.cause is latest else msgspec.structs.replace(newer, cause=latest)


def lacks_event(request: RecommendationRequest, profile: Profile) -> bool:
    """Whether the request waits for an event that the profile does not have yet."""
    if request.after_event_id is None:
        return False
    return not contains_hash(profile.recent_events, hash64(request.after_event_id))
