"""Dead letters describe any message, however broken."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codec import decode_value
from streams.dead_letters import MAX_PAYLOAD_BYTES, dead_letter, dead_letter_key, dead_letter_outgoing
from streams.errors import InvalidError, MediaTooLargeError, UriUnreachableError
from streams.messages import DeadLetter
from streams.records import Record
from streams.topics import MAX_MESSAGE_BYTES

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


def record(key: bytes | None, value: bytes | None) -> Record:
    return Record("freshet.items", "uuid", 3, 41, 0, key, value)


def test_it_names_source_stage_and_reason() -> None:
    letter = dead_letter(record(b"lamp", b"{}"), "image", UriUnreachableError("no answer", attempts=3), NOW)
    assert (letter.source.topic, letter.source.partition, letter.source.offset) == ("freshet.items", 3, 41)
    assert letter.source.key == "lamp"
    assert (letter.stage, letter.reason, letter.detail, letter.attempts) == (
        "image",
        "uri_unreachable",
        "no answer",
        3,
    )
    assert letter.failed_at == NOW
    assert base64.b64decode(letter.payload or "") == b"{}"


@pytest.mark.parametrize(
    ("size", "is_there"), [(0, True), (MAX_PAYLOAD_BYTES, True), (MAX_PAYLOAD_BYTES + 1, False)]
)
def test_a_large_payload_is_left_out(size: int, is_there: bool) -> None:
    letter = dead_letter(record(None, b"x" * size), "text", MediaTooLargeError("too large"), NOW)
    assert (letter.payload is not None) == is_there
    assert letter.source.key is None


def test_the_key_of_the_record_is_that_of_the_source_byte_for_byte() -> None:
    source = record(b"\xff\x00key", None)
    sent = dead_letter_outgoing("freshet.dead-letters", source, "text", InvalidError("x"), NOW)
    assert sent.key == dead_letter_key(source) == b"\xff\x00key"
    letter = decode_value(sent.value or b"", DeadLetter)
    assert letter.source.key == "\ufffd\x00key"
    assert letter.payload is None


def test_a_letter_fits_kafka_whatever_the_size_of_its_message() -> None:
    key, value = b"k" * MAX_MESSAGE_BYTES, b"v" * MAX_PAYLOAD_BYTES
    sent = dead_letter_outgoing("d", record(key, value), "text", InvalidError("x" * 10_000), NOW)
    # Also a topic with Kafka's own default, 1 MiB.
    assert len(sent.key or b"") + len(sent.value or b"") < 1_000_000
    assert key.startswith(sent.key or b"?")


@given(
    key=st.none() | st.binary(max_size=3_000),
    value=st.none() | st.binary(max_size=50),
    detail=st.text(st.characters(), max_size=50) | st.just("x" * 10_000),
)
def test_any_record_and_detail_make_a_valid_letter(
    key: bytes | None, value: bytes | None, detail: str
) -> None:
    sent = dead_letter_outgoing("d", record(key, value), "text", InvalidError(detail), NOW)
    letter = decode_value(sent.value or b"", DeadLetter)
    assert len(letter.detail) <= 4_096
    assert letter.payload == (None if value is None else base64.b64encode(value).decode())
