"""All that is held on a person, in a form that they can read."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec

from models.profile import Profile, decode_profile
from streams.codec import decode_value
from streams.errors import BadInputError
from streams.internal_messages import ProfileChanged
from streams.messages import DeadLetter
from streams.person_hash import person_hash
from streams.records import Record
from streams.settings import Settings
from streams.topic_admin import list_topics
from streams.topic_reader import TopicReader
from streams.topics import DEAD_LETTERS, ERASURE_RECEIPTS, PROFILES, Topic
from workers.state.exposures import Exposures, decode_exposures, exposures_key, time_of
from workers.state.profile import profile_key, stored_profile
from workers.state.redis_store import RedisStateStore

Json = dict[str, Any]


async def export_person(
    settings: Settings, user_id: str, now: datetime, on_topic: Callable[[str], None] = lambda name: None
) -> Json:
    """What Redis and Kafka hold on a person. Workers' memory is made of that, and holds nothing more.

    Args:
        on_topic: Told of each topic before it is read, all of it.

    Raises:
        ConfigurationError, DependencyDownError: Redis or Kafka refuses, or does not answer.
    """
    state = await _state(settings, user_id)
    topics = _topics(settings, user_id, on_topic)
    return {"user_id": user_id, "exported_at": now, "state": state, "topics": topics}


async def _state(settings: Settings, user_id: str) -> Json:
    store = RedisStateStore(settings.redis, settings.topics.prefix)
    try:
        profile, exposures = await store.load([profile_key(user_id), exposures_key(user_id)])
        newest = await store.newest_list(user_id)
    finally:
        await store.aclose()
    return {
        "profile": None if profile is None else readable_profile(stored_profile(user_id, profile)),
        "exposures": None if exposures is None else _readable_exposures(decode_exposures(user_id, exposures)),
        "newest_list": None if newest is None else msgspec.Raw(newest),
    }


def readable_profile(profile: Profile) -> Json:
    """A profile by name and time. Of items seen and events counted only hashes are kept: how many."""
    return {
        "events_applied": profile.version,
        "history": [
            {
                "item_id": entry.item_id,
                "action": entry.action,
                "weight": entry.weight,
                "occurred_at": datetime.fromtimestamp(entry.occurred_at_ms / 1_000, UTC),
            }
            for entry in profile.history
        ],
        "events_by_action": profile.counts,
        "positive_events": profile.positives,
        "negative_events": profile.negatives,
        "items_seen": profile.seen_count,
        "forgotten_before": _time(profile.since_ms),
    }


def _readable_exposures(state: Exposures) -> Json:
    return {
        "lists": [
            {
                "recommendation_id": one.recommendation_id,
                "shown_at": time_of(one.shown_us),
                "model": one.model,
                "experiment": one.experiment,
                "arm": one.arm,
                "item_ids": one.item_ids,
            }
            for one in state.lists
        ],
        "events_that_wait": [
            {
                "event_id": one.event_id,
                "item_id": one.item_id,
                "action": one.action,
                "occurred_at": time_of(one.occurred_us),
            }
            for one in state.waiting
        ],
        "outcomes_not_yet_published": [msgspec.Raw(one.outcome) for one in state.owed],
    }


def _topics(settings: Settings, user_id: str, on_topic: Callable[[str], None]) -> Json:
    person = person_hash(user_id, settings.privacy.hash_key)
    found: Json = {}
    for state in list_topics(settings):
        topic = state.topic
        if not state.partitions or not (topic.is_personal or topic is ERASURE_RECEIPTS):
            continue
        on_topic(state.name)
        key = person if topic is ERASURE_RECEIPTS else user_id
        with TopicReader(settings.kafka, state.name, "beginning") as reader:
            found[state.name] = [
                {
                    "partition": record.partition,
                    "offset": record.offset,
                    "published_at": _time(record.timestamp_ms),
                    "value": _readable(record, topic),
                }
                for record in reader.read_to_end()
                if _is_about(record, topic, key)
            ]
    return found


def _is_about(record: Record, topic: Topic[Any], key: str) -> bool:
    if record.key == key.encode():
        return True
    if topic is DEAD_LETTERS:
        return bool(_payload_user(record) == key)
    # Without a key, or with a wrong one, the value says whom it is about.
    return topic.key_field is not None and bool(_field(record.value or b"", topic.key_field) == key)


def _payload_user(record: Record) -> Any:
    with suppress(BadInputError, binascii.Error):
        letter = decode_value(record.value or b"", DeadLetter)
        return _field(base64.b64decode(letter.payload or ""), "user_id")
    return None


def _field(value: bytes, name: str) -> Any:
    for decode in (msgspec.json.decode, msgspec.msgpack.decode):
        try:
            decoded = decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        return decoded.get(name) if isinstance(decoded, dict) else None
    return None


def _readable(record: Record, topic: Topic[Any]) -> Any:
    if record.value is None:
        return None
    if topic is PROFILES:
        try:
            change = decode_value(record.value, ProfileChanged)
        except BadInputError:
            return {"unreadable": base64.b64encode(record.value).decode()}
        return {
            "cause": change.cause,
            "events": change.applied,
            "profile": readable_profile(decode_profile(change.state)),
        }
    try:
        return msgspec.json.decode(record.value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"unreadable": base64.b64encode(record.value).decode()}


def _time(since_ms: int) -> datetime | None:
    return datetime.fromtimestamp(since_ms / 1_000, UTC) if since_ms else None
