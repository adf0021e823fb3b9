"""What the topic of profiles should hold last of people, where something else may have come after it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from streams.codec import encode
from streams.internal_messages import EventCause, ProfileChanged
from streams.records import Outgoing
from streams.topic_names import TopicNames
from workers.erased_people import ErasedPeople, since_header
from workers.ports import Publisher
from workers.state.profile import profile_key, stored_profile
from workers.state.store import VERSION_BYTES, StateStore

# A profile that was planned without knowledge of an erasure may be published after its tombstone. Where that
# takes longer than the first, the worker looks after it itself. Otherwise it is done before the second has
# passed since the step of the erasure: no step that did not know of the erasure comes after that one.
QUICK_S = 1.0
SETTLED_S = 2.0
_EPOCH = datetime.fromtimestamp(0, UTC)


async def current_profiles(
    store: StateStore, topics: TopicNames, erased: ErasedPeople, user_ids: Sequence[str]
) -> list[Outgoing]:
    """What the topic of profiles should hold last of these people: their profile, or a tombstone."""
    stored = await store.load([profile_key(user_id) for user_id in user_ids])
    records = []
    for user_id, value in zip(user_ids, stored, strict=True):
        if value is None:
            header = since_header(erased.at_ms(user_id))
            records.append(Outgoing(topics.profiles, user_id.encode(), None, headers=header))
            continue
        profile = stored_profile(user_id, value)
        # No event brings it about: old enough that no list follows.
        cause = EventCause(event_id="erasure", occurred_at=_EPOCH, published_at=_EPOCH)
        message = ProfileChanged(
            user_id=user_id,
            version=profile.version,
            cause=cause,
            state=value[VERSION_BYTES:],
            since_ms=profile.since_ms,
        )
        records.append(Outgoing(topics.profiles, user_id.encode(), encode(message)))
    return records


async def publish_current(
    store: StateStore, publisher: Publisher, topics: TopicNames, erased: ErasedPeople, user_ids: Sequence[str]
) -> None:
    """Publish `current_profiles`, until what was published is what there is: a worker may go on meanwhile."""
    records = await current_profiles(store, topics, erased, user_ids)
    while True:
        await publisher.publish(records)
        now = await current_profiles(store, topics, erased, user_ids)
        if now == records:
            return
        records = now
