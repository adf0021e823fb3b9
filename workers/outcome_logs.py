"""Lists and outcomes as Kafka still holds them, for reports: each once, read to where the topics end now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from hashlib import blake2b

import msgspec
import structlog

from streams.codec import decode_record
from streams.errors import BadInputError
from streams.messages import Outcome
from streams.records import Record
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topic_reader import TopicReader
from workers.exposure_records import read_list
from workers.state.exposures import ShownList, microseconds

_log = structlog.get_logger()


class LoggedOutcome(msgspec.Struct):
    """What a report needs of an outcome, and the join of one that it has published."""

    recommendation_id: str
    event_id: str
    item_id: str
    action: str
    weight: float
    shown_at: datetime
    model: str
    experiment: str | None = None
    arm: str | None = None


_outcomes = msgspec.json.Decoder(LoggedOutcome)


def logged_lists(settings: Settings, since: datetime | None = None) -> Iterator[tuple[str, ShownList]]:
    """Every list for showing, with whom it is for; the first of each id.

    Args:
        settings: Where Kafka is.
        since: Only those shown since.

    Raises:
        ConfigurationError, DependencyDownError: Kafka refuses, or does not answer.
    """
    since_us = None if since is None else microseconds(since)
    seen: set[bytes] = set()
    with TopicReader(
        settings.kafka, TopicNames(settings.topics.prefix).recommendations, "beginning"
    ) as reader:
        for record in reader.read_to_end():
            try:
                user_id, shown = read_list(record)
            except BadInputError as error:
                _log.warning("not a list", partition=record.partition, offset=record.offset, why=error.detail)
                continue
            if since_us is not None and shown.shown_us < since_us:
                continue
            if shown.item_ids and _is_new(seen, shown.recommendation_id):
                yield user_id, shown


def logged_outcomes(settings: Settings) -> Iterator[LoggedOutcome]:
    """Every outcome, each event of a list once.

    Raises:
        ConfigurationError, DependencyDownError: As `logged_lists`.
    """
    seen: set[bytes] = set()
    for outcome in published_outcomes(settings):
        if _is_new(seen, f"{outcome.recommendation_id}\x00{outcome.event_id}"):
            yield outcome


def read_outcome(value: bytes) -> LoggedOutcome:
    """An outcome's message.

    Raises:
        msgspec.MsgspecError, UnicodeDecodeError: It is none.
    """
    return _outcomes.decode(value)


def published_outcomes(settings: Settings, since_ms: int | None = None) -> Iterator[LoggedOutcome]:
    """Outcomes as they were published, repeats included; those since a time in ms, or all.

    Raises:
        ConfigurationError, DependencyDownError: As `logged_lists`.
    """
    with TopicReader(settings.kafka, TopicNames(settings.topics.prefix).outcomes, "beginning") as reader:
        if since_ms is not None:
            reader.seek_to_time(since_ms)
        for record in reader.read_to_end():
            try:
                yield read_outcome(record.value or b"")
            except (msgspec.MsgspecError, UnicodeDecodeError):
                _warn_of(record)


def _warn_of(record: Record) -> None:
    try:
        decode_record(record, Outcome)
    except BadInputError as error:
        _log.warning("not an outcome", partition=record.partition, offset=record.offset, why=error.detail)


def _is_new(seen: set[bytes], identity: str) -> bool:
    """Whether an id comes for the first time; 12 bytes of hash each, as there may be millions."""
    digest = blake2b(identity.encode(), digest_size=12).digest()
    if digest in seen:
        return False
    seen.add(digest)
    return True
