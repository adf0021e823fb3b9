"""Profiles back from the compacted topic, for a Redis that has lost them.

Events expire after days, profiles in `profiles` do not. So where state knows of no applied event at all,
each person's newest profile is taken from there before the first event is read. Events still in the
topic that a profile already holds are told by the source positions in it, and are not applied twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from models.errors import ProfileStateError
from models.profile import Profile, decode_profile, encode_profile
from streams.codec import decode_value
from streams.consumer import Consumer
from streams.errors import BadInputError, DependencyDownError
from streams.kafka_connection import aiokafka_arguments
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topics import ERASURES, PROFILES
from workers.erased_people import ErasedPeople
from workers.state.profile import profile_key, stored_profile
from workers.state.store import (
    MISSING,
    VERSION_BYTES,
    ErasureMark,
    StateChange,
    StateStore,
    Write,
    pack_version,
)
from workers.topic_follower import TopicFollower

BATCH_PROFILES = 500

_log = structlog.get_logger()


async def restore_profiles(
    store: StateStore, settings: Settings, topics: TopicNames, erased: ErasedPeople
) -> int:
    """Write every profile of the topic that is newer than the stored one; how many that were.

    Those from before an erasure are left out.

    Raises:
        DependencyDownError: Redis or Kafka does not answer.
    """
    consumer = Consumer(
        **aiokafka_arguments(settings.kafka), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    restored = 0
    try:
        await consumer.start()
        metadata = await consumer._client.fetch_all_metadata()
        numbers = metadata.partitions_for_topic(topics.profiles) or set()
        partitions = [TopicPartition(topics.profiles, number) for number in sorted(numbers)]
        if not partitions:
            return 0
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            newest: dict[str, Profile] = {}
            batches = await consumer.getmany(timeout_ms=500, max_records=BATCH_PROFILES)
            for records in batches.values():
                for record in records:
                    profile = _profile(record)
                    if profile is None or erased.is_void(profile.user_id, profile.since_ms):
                        continue
                    held = newest.get(profile.user_id)
                    if held is None or _age(profile) > _age(held):
                        newest[profile.user_id] = profile
            restored += await _write_newer(store, list(newest.values()))
    except (KafkaError, OSError) as error:
        raise DependencyDownError(f"Kafka failed while profiles were restored: {error!r}") from error
    finally:
        with suppress(KafkaError, OSError):
            await consumer.stop()
    if restored:
        _log.warning("profiles were restored from Kafka, as Redis had none", profiles=restored)
    return restored


async def restore_erasures(
    store: StateStore, settings: Settings, topics: TopicNames, erased: ErasedPeople
) -> None:
    """Set the marks of all erasures that Kafka holds and the store does not know, then learn of all.

    A Redis that lost its state has lost them too, and what they make void may be read again.

    Raises:
        DependencyDownError: Redis does not answer.
    """
    found: dict[str, int] = {}

    def take(records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            try:
                erasure = decode_value(record.value or b"", ERASURES)
            except BadInputError:
                continue  # the profile role makes the dead letter
            person = erased.hash_of(erasure.user_id)
            found[person] = max(record.timestamp, found.get(person, 0))

    follower = TopicFollower(settings, topics.erasures, take)
    try:
        await follower.start()
    finally:
        await follower.stop()
    _, known = await store.marks()
    # Nothing that they make void is older than the erasures themselves, which Kafka keeps twice as long.
    keep_ms = round(2 * ERASURES.retention_factor * settings.topics.retention_days * 86_400_000)
    is_kept = settings.privacy.later_events == "drop"
    marks = [
        ErasureMark(person, at_ms, 0 if is_kept else at_ms + keep_ms)
        for person, at_ms in found.items()
        if known.get(person, 0) < at_ms
    ]
    if marks:
        await store.commit("restore", StateChange(marks=marks))
    await erased.refresh(store)


def _age(profile: Profile) -> tuple[int, int, int]:
    """Grows with every change of a profile: a repeated event moves its position alone."""
    return profile.since_ms, profile.version, sum(profile.applied.values())


def _profile(record: ConsumerRecord) -> Profile | None:
    """The profile in a record; None for a null, and for what no profile can be read from."""
    if record.value is None:
        return None
    try:
        return decode_profile(decode_value(record.value, PROFILES).state)
    except (BadInputError, ProfileStateError) as error:
        where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        _log.error("not a profile: passed over", **where, problem=str(error))
        return None


async def _write_newer(store: StateStore, profiles: list[Profile]) -> int:
    stored = await store.load([profile_key(profile.user_id) for profile in profiles])
    written = 0
    for profile, value in zip(profiles, stored, strict=True):
        if _age(profile) <= _age(stored_profile(profile.user_id, value)):
            continue
        expected = MISSING if value is None else value[:VERSION_BYTES]
        encoded = pack_version(profile.version) + encode_profile(profile)
        write = Write(profile_key(profile.user_id), expected, encoded)
        # One by one, so that a worker that updates one of them meanwhile costs only that one.
        written += await store.commit("restore", StateChange(writes=[write]))
    return written
