"""The codec: round trips, what JSON leaves open, keys, and that nothing but the error tree comes out."""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.codec import check_key, decode_record, decode_value, encode, outgoing, withdrawn_id
from streams.errors import BadInputError, DefectError, InvalidError, KeyMismatchError, MalformedError
from streams.fields import Message
from streams.internal_messages import ItemDeclared, ItemFeature, ItemFeatureFailed, ItemVector, ProfileChanged
from streams.messages import (
    DeadLetter,
    Erasure,
    ErasureReceipt,
    Event,
    Explanation,
    Item,
    Media,
    Recommendation,
    RecommendationRequest,
)
from streams.model_messages import ActiveModel, ModelBundle
from streams.records import Record
from streams.topics import EVENTS, ITEM_FEATURES, ITEMS, MAX_MESSAGE_BYTES, MODELS, TOPICS, Topic
from tests.unit.streams.message_strategies import messages

ALL_TYPES = [
    Item,
    Event,
    RecommendationRequest,
    Recommendation,
    Explanation,
    ModelBundle,
    ActiveModel,
    Erasure,
    ErasureReceipt,
    DeadLetter,
    ItemDeclared,
    ItemFeature,
    ItemFeatureFailed,
    ItemVector,
    ProfileChanged,
]
EVENT = {
    "event_id": "e",
    "user_id": "u",
    "item_id": "i",
    "action": "click",
    "occurred_at": "2026-11-24T10:00:00Z",
}


def record(value: bytes | None, key: bytes | None = None) -> Record:
    return Record("t", "uuid", 0, 0, 0, key, value)


def event_bytes(**changes: Any) -> bytes:
    return json.dumps(EVENT | changes).encode()


def assert_decoded_or_bad_input(source: Record, topic: Topic[Any]) -> None:
    """Any other error than of the tree fails the test that calls this."""
    detail = None
    try:
        message = decode_record(source, topic)
    except BadInputError as error:
        detail = error.detail
    assert detail or isinstance(message, Message)


@pytest.mark.parametrize("message_type", ALL_TYPES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_message_comes_back_as_it_went(message_type: Any, data: st.DataObject) -> None:
    message = data.draw(messages(message_type))
    sent = outgoing("t", message)
    assert sent.value is not None
    assert decode_record(record(sent.value, sent.key), message_type) == message


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
@settings(max_examples=200, deadline=None)
@given(value=st.binary(max_size=200), key=st.none() | st.binary(max_size=20))
def test_random_bytes_give_only_bad_input(topic: Any, value: bytes, key: bytes | None) -> None:
    assert_decoded_or_bad_input(record(value, key), topic)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_messages_give_only_bad_input(topic: Any, data: st.DataObject) -> None:
    example = data.draw(st.sampled_from([example for example in topic.examples if example.value is not None]))
    message = msgspec.json.decode(json.dumps(example.value), type=topic.value_type)
    value = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(value) - 1))
        what = data.draw(st.sampled_from(["change", "remove", "insert", "cut"]))
        if what == "change":
            value[position] = data.draw(st.integers(0, 255))
        elif what == "insert":
            value[position:position] = data.draw(st.binary(min_size=1, max_size=6))
        elif what == "remove":
            del value[position]
        else:
            del value[position:]
        if not value:
            break
    assert_decoded_or_bad_input(record(bytes(value)), topic)


@pytest.mark.parametrize(
    ("value", "part_of_detail"),
    [
        (None, "no value"),
        (b"", "truncated"),
        (b"{", "truncated"),
        (event_bytes() + b"}", "trailing"),
        (b"\xef\xbb\xbf{}", "invalid character"),
        ('{"x": "é"}'.encode("latin-1"), "not UTF-8"),
        (b'{"event_id": "\xff"}', "not UTF-8"),
        (b'{"unknown": "\xff"}', "not UTF-8"),
        (b'{"event_id": "\\ud800\\u0041"}', "surrogate"),
        (b'{"event_id": "\\ud800"}', ""),
        (b'{"value": NaN}', "invalid character"),
        (b'{"unknown": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"context": {"a": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001 + b"}", "nested too deeply"),
    ],
)
def test_malformed(value: bytes | None, part_of_detail: str) -> None:
    with pytest.raises(MalformedError) as caught:
        decode_record(record(value), EVENTS)
    assert part_of_detail in caught.value.detail


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event_id": ""}, "event_id"),
        ({"event_id": "x" * 257}, "event_id"),
        ({"item_id": "x" * 10_000}, "item_id"),
        ({"user_id": 5}, "user_id"),
        ({"value": "high"}, "value"),
        ({"value": 10**400}, "value"),
        ({"occurred_at": "2026-11-24T10:00:00"}, "occurred_at"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": 1}, "occurred_at"),
        ({"occurred_at": "0001-01-01T00:00:00+05:00"}, "out of range"),
        ({"context": []}, "context"),
    ],
)
def test_invalid_names_the_field(changes: dict[str, Any], field: str) -> None:
    value = event_bytes(**changes)
    with pytest.raises(InvalidError) as caught:
        decode_record(record(value), EVENTS)
    assert field in caught.value.detail
    assert len(caught.value.detail) < 500


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InvalidError, match="`action`"):
        decode_value(b'{"event_id":"e","user_id":"u","item_id":"i"}', Event)


def test_integers_beyond_64_bits_are_refused_in_attributes_and_filters() -> None:
    assert decode_value(b'{"item_id":"i","attributes":{"a":9223372036854775807}}', Item).attributes == {
        "a": 2**63 - 1
    }
    with pytest.raises(InvalidError, match="attributes"):
        decode_value(b'{"item_id":"i","attributes":{"a":9223372036854775808}}', Item)
    with pytest.raises(InvalidError, match="filter"):
        decode_value(
            b'{"request_id":"r","user_id":"u","filter":{"a":123456789012345678901}}', RecommendationRequest
        )


def test_a_request_for_a_million_items_is_invalid() -> None:
    with pytest.raises(InvalidError, match="count"):
        decode_value(b'{"request_id":"r","user_id":"u","count":1000000}', RecommendationRequest)


def test_the_last_of_repeated_names_counts_and_unknown_ones_are_ignored() -> None:
    value = event_bytes(colour="red").replace(b'"i"', b'"first", "item_id": "last"')
    assert decode_value(value, Event).item_id == "last"


def test_nul_is_a_character() -> None:
    event = decode_record(record(event_bytes(user_id="a\0b"), b"a\0b"), Event)
    assert event.user_id == "a\0b"


def test_times_are_brought_to_utc_and_written_with_z() -> None:
    event = decode_value(event_bytes(occurred_at="2026-11-24T11:00:00.5+01:00"), Event)
    assert b'"occurred_at":"2026-11-24T10:00:00.500000Z"' in encode(event)


def test_a_value_over_the_limit_is_invalid_and_one_at_it_is_not() -> None:
    def padded(size: int) -> bytes:
        return b'{"item_id":"i"' + b" " * (size - 15) + b"}"

    assert decode_value(padded(MAX_MESSAGE_BYTES), ITEMS).item_id == "i"
    with pytest.raises(InvalidError, match=str(MAX_MESSAGE_BYTES)):
        decode_value(padded(MAX_MESSAGE_BYTES + 1), ITEMS)


def test_messagepack_that_claims_a_vast_size_is_refused_at_once() -> None:
    for value in (
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x81\xa1x" * 9,
    ):
        with pytest.raises(BadInputError):
            decode_value(value, ITEM_FEATURES)


def test_key() -> None:
    assert decode_record(record(event_bytes()), Event).user_id == "u"
    assert decode_record(record(event_bytes(), b"u"), Event).user_id == "u"
    for key in (b"", b"other", b"\xff", b"x" * 10_000):
        with pytest.raises(KeyMismatchError) as caught:
            decode_record(record(event_bytes(), key), Event)
        assert len(caught.value.detail) < 300
    with pytest.raises(KeyMismatchError):
        check_key(record(None, b"x"), "y")


def test_a_null_value_withdraws_what_the_key_names() -> None:
    assert withdrawn_id(record(None, "é".encode())) == "é"
    for key, error in [
        (None, InvalidError),
        (b"", InvalidError),
        (b"x" * 257, InvalidError),
        (b"\xff", KeyMismatchError),
    ]:
        with pytest.raises(error):
            withdrawn_id(record(None, key))


@pytest.mark.parametrize(
    "message",
    [
        Item(item_id="i", title="\ud800"),
        Event(**EVENT | {"occurred_at": datetime.now(UTC), "context": {"n": object()}}),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_encoded_is_invalid(message: Any) -> None:
    with pytest.raises(InvalidError, match="cannot be encoded"):
        encode(message)


def test_tagged_messages_of_one_topic() -> None:
    bundle = msgspec.json.decode(json.dumps(MODELS.examples[0].value), type=ModelBundle)
    sent = outgoing("m", bundle)
    assert sent.key == b"shop@2"
    assert decode_record(record(sent.value, sent.key), MODELS) == bundle
    with pytest.raises(InvalidError, match="type"):
        decode_value(b'{"type":"other"}', MODELS)


def test_a_type_without_a_topic_is_a_defect() -> None:
    with pytest.raises(DefectError):
        encode(Media(kind="image", uri="x"))


def test_many_threads_may_decode_at_once() -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for number in range(2_000):
                assert decode_value(event_bytes(event_id=str(number)), Event).event_id == str(number)
                with pytest.raises(InvalidError):
                    decode_value(event_bytes(event_id=""), Event)
        except BaseException as error:
            failures.append(error)

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval_s)
    assert failures == []
