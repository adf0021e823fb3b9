"""What becomes of a message that cannot be processed."""

from __future__ import annotations

import base64
from datetime import datetime

from streams.codec import encode
from streams.errors import BadInputError
from streams.fields import MAX_DETAIL_CHARACTERS
from streams.messages import DeadLetter, DeadLetterSource
from streams.records import Outgoing, Record

MAX_PAYLOAD_BYTES = 512_000
MAX_KEY_CHARACTERS = 1_024
# An id has at most 1,024 bytes, so what is cut off makes no key valid. A key as large as Kafka takes would
# leave no room for the letter beside it, and the message could then never be passed over.
MAX_KEY_BYTES = 4_096


def dead_letter(record: Record, stage: str, error: BadInputError, failed_at: datetime) -> DeadLetter:
    """Describe a message that cannot be processed.

    Args:
        record: The message as it came out of Kafka.
        stage: The role, or the part of it, that could not go on.
        error: Why.
        failed_at: When, with a time zone.

    Returns:
        The message's value as base64, unless it has none or has over 512,000 bytes. What is not UTF-8 in the
        key is shown as U+FFFD; a key or a detail that is too long is cut off.
    """
    payload = record.value
    return DeadLetter(
        source=DeadLetterSource(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=None if record.key is None else _cut(record.key.decode(errors="replace"), MAX_KEY_CHARACTERS),
        ),
        stage=stage,
        reason=error.reason,
        # A detail may quote text with half a surrogate pair, which no encoder takes.
        detail=_cut(error.detail.encode(errors="replace").decode(), MAX_DETAIL_CHARACTERS),
        attempts=error.attempts,
        failed_at=failed_at,
        payload=None
        if payload is None or len(payload) > MAX_PAYLOAD_BYTES
        else base64.b64encode(payload).decode("ascii"),
    )


def dead_letter_key(record: Record) -> bytes | None:
    """The key of a dead letter: that of its source, byte for byte, of which at most the first 4,096."""
    return None if record.key is None else record.key[:MAX_KEY_BYTES]


def dead_letter_outgoing(
    topic_name: str, record: Record, stage: str, error: BadInputError, failed_at: datetime
) -> Outgoing:
    """The record that publishes `dead_letter`.

    Args:
        topic_name: The full name, `TopicNames.dead_letters`.
        record: As `dead_letter`.
        stage: As `dead_letter`.
        error: As `dead_letter`.
        failed_at: As `dead_letter`.
    """
    return Outgoing(
        topic=topic_name,
        key=dead_letter_key(record),
        value=encode(dead_letter(record, stage, error, failed_at)),
    )


def _cut(text: str, max_characters: int) -> str:
    return text if len(text) <= max_characters else text[: max_characters - 1] + "…"
