"""List dead letters, and publish their messages again once the cause is mended."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import structlog

from streams.client import FreshetClient
from streams.codec import decode_record
from streams.errors import BadInputError, InvalidError
from streams.messages import DeadLetter
from streams.records import Outgoing, Record
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topic_reader import TopicReader
from streams.topics import ITEMS

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """A dead letter, and where it is: its offset is the number by which people name it.

    ``key`` is the source's own, byte for byte.
    """

    number: int
    key: bytes | None
    letter: DeadLetter


def stored_dead_letters(settings: Settings) -> Iterator[StoredDeadLetter]:
    """Every dead letter that Kafka still holds, oldest first; one a source and stage, the first.

    Raises:
        ConfigurationError, DependencyDownError: Kafka refuses, or does not answer.
    """
    topic = TopicNames(settings.topics.prefix).dead_letters
    seen: set[tuple[str, int, int, str]] = set()
    with TopicReader(settings.kafka, topic, "beginning") as reader:
        for record in reader.read_to_end():
            stored = _stored(record)
            if stored is None:
                continue
            source = stored.letter.source
            identity = (source.topic, source.partition, source.offset, stored.letter.stage)
            if identity not in seen:
                seen.add(identity)
                yield stored


def stored_dead_letter(settings: Settings, number: int) -> StoredDeadLetter | None:
    """The dead letter of that number, or None where Kafka has no such (any more).

    Raises:
        ConfigurationError, DependencyDownError: As `stored_dead_letters`.
    """
    topic = TopicNames(settings.topics.prefix).dead_letters
    with TopicReader(settings.kafka, topic, "beginning") as reader:
        record = reader.read_at(0, number)
    return None if record is None else _stored(record)


def replay(settings: Settings, client: FreshetClient, stored: StoredDeadLetter) -> None:
    """Publish the message again where it came from, with its key and value.

    The value comes from the dead letter, or from the source topic where it was too large for that.

    Raises:
        InvalidError: The source is no topic of this deployment, the value is nowhere any more, or the item
            has been published again since: replaying would put the older one back.
        ConfigurationError, DependencyDownError: As `stored_dead_letters`.
    """
    source = stored.letter.source
    topic = TopicNames(settings.topics.prefix).topic_of(source.topic)
    if topic is None:
        raise InvalidError(
            f"`{source.topic}` is no topic of this deployment (prefix `{settings.topics.prefix}`)"
        )
    with TopicReader(settings.kafka, source.topic, "beginning") as reader:
        value = _payload(stored.letter)
        if value is None:
            original = reader.read_at(source.partition, source.offset)
            if original is None or original.key != stored.key or original.value is None:
                raise InvalidError(
                    f"the value was too large for the dead letter, and offset {source.offset} of partition "
                    f"{source.partition} of `{source.topic}` no longer holds it: publish it again yourself"
                )
            value = original.value
        if topic is ITEMS and stored.key is not None and _is_superseded(reader, stored):
            raise InvalidError(
                f"item {source.key!r} was published again since: its newer message counts, nothing to replay"
            )
    client.publish([Outgoing(topic=source.topic, key=stored.key, value=value)])


def _payload(letter: DeadLetter) -> bytes | None:
    if letter.payload is None:
        return None
    try:
        return base64.b64decode(letter.payload, validate=True)
    except binascii.Error:
        raise InvalidError("the payload of the dead letter is not base64") from None


def _is_superseded(reader: TopicReader, stored: StoredDeadLetter) -> bool:
    source = stored.letter.source
    with closing(reader.read_from(source.partition, source.offset + 1)) as later:
        return any(record.key == stored.key for record in later)


def _stored(record: Record) -> StoredDeadLetter | None:
    try:
        return StoredDeadLetter(record.offset, record.key, decode_record(record, DeadLetter))
    except BadInputError as error:
        _log.warning("not a dead letter", topic=record.topic, offset=record.offset, problem=error.detail)
        return None
