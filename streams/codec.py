"""Kafka records to messages and back.

What JSON leaves open is settled so: of repeated names in an object the last counts; `NaN`, `Infinity` and
numbers beyond float64 are refused, as are integers beyond 64 bits in `attributes` and `filter`; a byte
order mark is refused; a `\\u` escape of half a surrogate pair is refused; NUL is a character like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args, overload

import msgspec

from streams.errors import DefectError, InvalidError, KeyMismatchError, MalformedError
from streams.fields import MAX_ID_CHARACTERS, Message
from streams.internal_messages import ItemDeclared, ItemFeature, ItemFeatureFailed
from streams.model_messages import ModelMessage
from streams.records import Outgoing, Record
from streams.topics import ITEM_FEATURES, MODELS, TOPICS, Topic

M = TypeVar("M", bound=Message)

_JSON_ENCODER = msgspec.json.Encoder()
_MSGPACK_ENCODER = msgspec.msgpack.Encoder()
_SHOWN_CHARACTERS = 80


@overload
def decode_record(record: Record, kind: Topic[M]) -> M: ...
@overload
def decode_record(record: Record, kind: type[M]) -> M: ...
def decode_record(record: Record, kind: Any) -> Any:
    """Decode a record's value, and check its key against the id in it.

    Args:
        record: As Kafka gave it.
        kind: A topic of `streams.topics`, or a message type that has one of its own.

    Raises:
        MalformedError: There is no value, or it is not decodable: not UTF-8, broken, nested too deeply.
        InvalidError: A field is missing, of the wrong type or out of its bounds, or the value is too large.
        KeyMismatchError: There is a key, and it is not the id in the value.
    """
    topic = _topic(kind)
    if record.value is None:
        raise MalformedError("the message has no value")
    message = decode_value(record.value, topic)
    if topic.key_field is not None:
        check_key(record, getattr(message, topic.key_field))
    return message


@overload
def decode_value(value: bytes, kind: Topic[M]) -> M: ...
@overload
def decode_value(value: bytes, kind: type[M]) -> M: ...
def decode_value(value: bytes, kind: Any) -> Any:
    """Decode a value that has no record around it, such as a line of a file.

    Raises:
        MalformedError, InvalidError: As `decode_record`.
    """
    topic = _topic(kind)
    if len(value) > topic.max_value_bytes:
        raise InvalidError(f"the value has {len(value)} bytes, the limit is {topic.max_value_bytes}")
    try:
        if topic.encoding == "json" and not value.isascii():
            value.decode()  # msgspec does not look into fields that it skips
        return _DECODE[topic.name](value)
    except msgspec.ValidationError as error:
        raise InvalidError(str(error)) from None
    except UnicodeDecodeError as error:
        raise MalformedError(f"not UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise MalformedError("nested too deeply") from None
    except msgspec.DecodeError as error:
        raise MalformedError(str(error)) from None


def check_key(record: Record, expected_id: str) -> None:
    """A missing key is taken from the value; one that is there must be the id in the value.

    Raises:
        KeyMismatchError: It is another, or not UTF-8.
    """
    if record.key is not None and record.key != expected_id.encode():
        raise KeyMismatchError(
            f"the Kafka key is {_shown(record.key)}, the id in the value is {_shown(expected_id.encode())}"
        )


def withdrawn_id(record: Record) -> str:
    """The id that a null value withdraws: the record's key.

    Raises:
        KeyMismatchError: The key is not UTF-8.
        InvalidError: There is no key, or it has no allowed length.
    """
    if record.key is None:
        raise InvalidError("a null value without a key: nothing says what to withdraw")
    try:
        key = record.key.decode()
    except UnicodeDecodeError:
        raise KeyMismatchError(f"the Kafka key is not UTF-8: {_shown(record.key)}") from None
    if not 1 <= len(key) <= MAX_ID_CHARACTERS:
        raise InvalidError(
            f"the Kafka key of a null value has {len(key)} characters, an id has 1 to {MAX_ID_CHARACTERS}"
        )
    return key


def encode(message: Message) -> bytes:
    """Encode a message as its topic carries it: JSON, or MessagePack between roles.

    Raises:
        InvalidError: Text with half a surrogate pair, an integer beyond 64 bits, or an object that is no
            JSON, in a field that takes any.
    """
    encoder = _MSGPACK_ENCODER if _topic(type(message)).encoding == "msgpack" else _JSON_ENCODER
    try:
        return encoder.encode(message)
    except (UnicodeEncodeError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise InvalidError(f"{type(message).__name__} cannot be encoded: {error}") from None


def outgoing(topic_name: str, message: Message, partition: int | None = None) -> Outgoing:
    """The record that publishes a message, with its topic's key.

    Args:
        topic_name: The full name, from `TopicNames`.
        message: Any message that has a topic.
        partition: None leaves the choice to murmur2 of the key. See `streams.keys` for item features.

    Raises:
        InvalidError: As `encode`.
    """
    value = encode(message)
    key = _topic(type(message)).key_of(message)
    return Outgoing(
        topic=topic_name, key=None if key is None else key.encode(), value=value, partition=partition
    )


def topic_of(message_type: type[Message]) -> Topic[Any]:
    """The topic that carries a message type.

    Raises:
        DefectError: None does.
    """
    return _topic(message_type)


_TOPIC_OF_TYPE: dict[Any, Topic[Any]] = {
    **{topic.value_type: topic for topic in TOPICS},
    **dict.fromkeys((ItemDeclared, ItemFeature, ItemFeatureFailed), ITEM_FEATURES),
    **dict.fromkeys(get_args(ModelMessage), MODELS),
}


_DECODE: dict[str, Callable[[bytes], Any]] = {
    topic.name: (
        msgspec.msgpack.Decoder(topic.value_type).decode
        if topic.encoding == "msgpack"
        else msgspec.json.Decoder(topic.value_type).decode
    )
    for topic in TOPICS
}


def _topic(kind: Any) -> Topic[Any]:
    if isinstance(kind, Topic):
        return kind
    topic = _TOPIC_OF_TYPE.get(kind)
    if topic is None:
        raise DefectError(f"no topic carries {kind!r}")
    return topic


def _shown(key: bytes) -> str:
    text = key.decode(errors="replace")
    return repr(text) if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]!r}…"
