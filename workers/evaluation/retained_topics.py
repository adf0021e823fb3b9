"""What Kafka still holds as a log to evaluate on: the items' vectors, and the events.

Both are read to where the topics end when reading begins. Events of several partitions are put in the order
of Kafka's timestamps; within a partition they keep theirs. Times count as the profile role counts them, and
events that an erasure makes void are left out as it leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from models.datasets import DatasetEvent
from models.retrieval import ItemIndex
from streams.codec import decode_record
from streams.errors import BadInputError, ConfigurationError
from streams.internal_messages import ItemVector, ItemVersion
from streams.messages import Event
from streams.records import Record
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topic_reader import TopicReader
from streams.topics import ERASURES
from workers.erased_people import ErasedPeople
from workers.evaluation.pinned_ends import PinnedEnds
from workers.event_times import counted_time
from workers.feature_records import VERSION_HEADER
from workers.serving_space import serving_space
from workers.vectors_to_index import IndexUpdater

_version_decoder = msgspec.msgpack.Decoder(ItemVersion)


@dataclass(frozen=True, slots=True)
class RetainedEvents:
    """Events in order.

    Attributes:
        events: Those that count.
        refused: Messages that are no valid events: each is a dead letter.
        void: Events of people who were forgotten since.
    """

    events: tuple[DatasetEvent, ...]
    refused: int
    void: int = 0


def space_in_use(settings: Settings) -> str:
    """The vector space that serves."""
    return serving_space(settings)[0]


def retained_index(settings: Settings, on_progress: Callable[[int], None] = lambda read: None) -> ItemIndex:
    """The items as a recommend worker that starts now holds them.

    Args:
        settings: Kafka, topics, and what makes the vector space.
        on_progress: Told how many records were read.

    Raises:
        ConfigurationError: The topic does not exist, or holds no item.
        DependencyDownError: Kafka does not answer.
    """
    space, dimension = serving_space(settings)
    topic = TopicNames(settings.topics.prefix).item_vectors(space)
    index = ItemIndex(dimension)
    updater = IndexUpdater(index)
    with TopicReader(settings.kafka, topic, "beginning") as reader:
        for number, record in enumerate(reader.read_to_end(), 1):
            take_vector(updater, record)
            on_progress(number)
    if not len(index):
        raise ConfigurationError(f"`{topic}` holds no item: publish a catalogue first")
    return index


def take_vector(updater: IndexUpdater, record: Record) -> None:
    """Apply one record of `item-vectors`, as a recommend worker does."""
    if record.value is not None:
        updater.put(decode_record(record, ItemVector))
    elif record.key is not None:
        packed = dict(record.headers).get(VERSION_HEADER)
        updater.remove(record.key.decode(), None if packed is None else _version_decoder.decode(packed))


def retained_events(
    settings: Settings,
    on_progress: Callable[[int], None] = lambda read: None,
    ends: PinnedEnds | None = None,
) -> RetainedEvents:
    """Every event that Kafka still holds.

    Args:
        settings: Kafka and topics.
        on_progress: Told how many records were read.
        ends: Where to end, if not now. Who was forgotten since is left out all the same.

    Raises:
        ConfigurationError, DependencyDownError: As `retained_index`.
    """
    topic = TopicNames(settings.topics.prefix).events
    max_skew = timedelta(seconds=settings.profile.max_event_clock_skew_s)
    found: list[tuple[tuple[int, int, int], DatasetEvent]] = []
    refused = 0
    with TopicReader(settings.kafka, topic, "beginning") as reader:
        until = (ends or PinnedEnds()).of(reader, topic)
        for number, record in enumerate(reader.read_to_end(until), 1):
            on_progress(number)
            try:
                event = decode_record(record, Event)
            except BadInputError:
                refused += 1
                continue
            published_at = datetime.fromtimestamp(record.timestamp_ms / 1_000, UTC)
            order = (record.timestamp_ms, record.partition, record.offset)
            found.append((order, _dataset_event(event, counted_time(event, published_at, max_skew))))
    # After the events: whoever asks to be forgotten while they are read is.
    erased = _erased_people(settings)
    kept = [one for one in found if not _is_void(erased, one[0][0], one[1])]
    kept.sort(key=lambda entry: entry[0])
    return RetainedEvents(tuple(event for _, event in kept), refused, len(found) - len(kept))


def _erased_people(settings: Settings) -> ErasedPeople:
    erased = ErasedPeople(settings.privacy)
    topic = TopicNames(settings.topics.prefix).erasures
    with TopicReader(settings.kafka, topic, "beginning") as reader:
        for record in reader.read_to_end():
            try:
                erased.note(decode_record(record, ERASURES).user_id, record.timestamp_ms)
            except BadInputError:
                continue  # the profile role makes the dead letter
    return erased


def _is_void(erased: ErasedPeople, published_ms: int, event: DatasetEvent) -> bool:
    # The hash is the costly part, and most deployments forget nobody.
    return not erased.is_empty and erased.is_past(event.user_id, min(published_ms, event.occurred_at_ms))


def _dataset_event(event: Event, occurred_at: datetime) -> DatasetEvent:
    return DatasetEvent(
        event_id=event.event_id,
        user_id=event.user_id,
        item_id=event.item_id,
        action=event.action,
        occurred_at_ms=round(occurred_at.timestamp() * 1_000),
        value=event.value,
        context=event.context,
    )
