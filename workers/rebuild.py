"""What Kafka keeps of people, back into a Redis that has lost it: profiles, and who was forgotten.

Events expire after days, profiles in `profiles` do not. So where state knows of no applied event at all, or
was set back, each person's newest profile is taken from there before the first event is read. What the group
has acknowledged is in them, and need not be read again; events behind that which a profile already holds are
told by the source positions in it, and are not applied twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from models.errors import ProfileStateError
from models.profile import Profile, decode_profile, source_key
from streams.codec import decode_value
from streams.consumer import Consumer
from streams.errors import BadInputError, DependencyDownError
from streams.group_offsets import acknowledged_offsets
from streams.kafka_connection import aiokafka_arguments
from streams.settings import Settings
from streams.topic_ids import fetch_topic_ids
from streams.topic_names import TopicNames
from streams.topics import ERASURES, PROFILES
from workers.erased_people import ErasedPeople
from workers.fenced import source_name
from workers.newest_profiles import NewestProfiles
from workers.profile_restoration import STEP_PROFILES, ProfileRestoration
from workers.state.store import ErasureMark, StateChange, StateStore
from workers.topic_follower import TopicFollower

READ_RECORDS = 5_000

_log = structlog.get_logger()


async def restore_profiles(
    store: StateStore, settings: Settings, topics: TopicNames, erased: ErasedPeople, role: str, group: str
) -> None:
    """Write every profile of the topic that is newer than the stored one, and move the role's fences.

    Those from before an erasure are left out.

    Args:
        role: Whose fences tell up to where `events` was applied.
        group: The role's consumer group.

    Raises:
        DependencyDownError: Redis or Kafka does not answer, or Redis was lost again.
    """
    consumer = Consumer(
        **aiokafka_arguments(settings.kafka),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    half_life_s = settings.recommend.popularity_half_life_days * 86_400.0
    restoration = ProfileRestoration(store, role, half_life_s)
    try:
        await consumer.start()
        await restoration.begin()
        # First: an event is acknowledged when the profile after it is in Kafka.
        acknowledged = await _acknowledged(consumer, topics.events)
        async for profiles in _newest_profiles(consumer, topics.profiles, erased):
            await restoration.write(profiles)
    except (KafkaError, OSError) as error:
        raise DependencyDownError(f"Kafka failed while profiles were restored: {error!r}") from error
    finally:
        with suppress(KafkaError, OSError):
            await consumer.stop()
    # Not further than profiles tell: Kafka may have lost those, too.
    fences = {
        source_name(*source): min(offset, restoration.reached.get(source_key(*source), 0))
        for source, offset in acknowledged.items()
    }
    if await restoration.finish(fences) and restoration.restored:
        _log.warning("profiles that Redis had lost were restored from Kafka", profiles=restoration.restored)


async def _newest_profiles(
    consumer: Consumer, topic: str, erased: ErasedPeople
) -> AsyncIterator[list[Profile]]:
    """Each person's newest of what the topic holds; of some people more than once where that is much."""
    partitions = await _partitions(consumer, topic)
    if not partitions:
        return
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    await consumer.seek_to_beginning(*partitions)
    newest = NewestProfiles()
    while any([await consumer.position(one) < ends[one] for one in partitions]):
        batches = await consumer.getmany(timeout_ms=500, max_records=READ_RECORDS)
        for record in (record for records in batches.values() for record in records):
            if record.value is not None and not newest.hold(record):
                _pass_over(record, "not a changed profile")
        if newest.is_full:
            for profiles in _profiles(newest.take(), erased):
                yield profiles
    for profiles in _profiles(newest.take(), erased):
        yield profiles


async def _acknowledged(consumer: Consumer, topic: str) -> dict[tuple[str, int], int]:
    """By the topic's id and the partition, up to where the group has acknowledged events; 0 for nothing."""
    ids = await fetch_topic_ids(consumer._client, [topic])
    if topic not in ids:
        return {}
    uuids = dict.fromkeys(await _partitions(consumer, topic), ids[topic])
    offsets = await acknowledged_offsets(consumer, uuids)
    return {(ids[topic], partition.partition): offsets.get(partition, 0) for partition in uuids}


async def _partitions(consumer: Consumer, topic: str) -> list[TopicPartition]:
    metadata = await consumer._client.fetch_all_metadata()
    return [TopicPartition(topic, number) for number in sorted(metadata.partitions_for_topic(topic) or ())]


def _profiles(records: Sequence[ConsumerRecord], erased: ErasedPeople) -> Iterator[list[Profile]]:
    """Decoded a step at a time, as the event loop waits for each."""
    for begin in range(0, len(records), STEP_PROFILES):
        step = [_profile(record) for record in records[begin : begin + STEP_PROFILES]]
        yield [one for one in step if one is not None and not erased.is_void(one.user_id, one.since_ms)]


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


def _profile(record: ConsumerRecord) -> Profile | None:
    """The profile in a record; None for what no profile can be read from."""
    try:
        return decode_profile(decode_value(record.value or b"", PROFILES).state)
    except (BadInputError, ProfileStateError) as error:
        _pass_over(record, str(error))
        return None


def _pass_over(record: ConsumerRecord, problem: str) -> None:
    where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    _log.error("not a profile: passed over", **where, problem=problem)
