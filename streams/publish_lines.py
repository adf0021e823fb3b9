"""Publish a file of JSON lines, each checked first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from streams.client import FreshetClient
from streams.codec import decode_value, outgoing
from streams.errors import BadInputError
from streams.fields import Message
from streams.records import Outgoing
from streams.topics import MAX_MESSAGE_BYTES

_CHUNK_BYTES = 1 << 20

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was not published; ``number`` counts from 1."""

    number: int
    problem: str


@dataclass(frozen=True, slots=True)
class LineCounts:
    """What became of a file's lines; empty ones are in neither."""

    published: int
    bad: int


def publish_lines(
    client: FreshetClient,
    topic_name: str,
    message_type: type[M],
    lines: BinaryIO,
    on_bad: Callable[[BadLine], None],
    on_bytes: Callable[[int], None] = lambda size: None,
    change: Callable[[M], M] = lambda message: message,
) -> LineCounts:
    """Check each line, publish the good ones, and report the bad ones.

    Args:
        client: Publishes them.
        topic_name: The full name of the topic.
        message_type: What each line must be, `Item` or `Event`.
        lines: A binary file, or standard input. A line that is too long is passed over without keeping it.
        on_bad: Called for each bad line, in order.
        on_bytes: Called with the bytes of each line read, for a progress bar.
        change: What is published in place of each message, once it was checked.

    Raises:
        ConfigurationError, DependencyDownError: Kafka refuses, or does not answer.
    """
    bad = 0

    def good() -> Iterator[Outgoing]:
        nonlocal bad
        for number, line, size in _bounded_lines(lines):
            on_bytes(size)
            try:
                if line is None:
                    raise BadInputError(f"the line is longer than {MAX_MESSAGE_BYTES} bytes")
                if not line.strip():
                    continue
                yield outgoing(topic_name, change(decode_value(line, message_type)))
            except BadInputError as error:
                bad += 1
                on_bad(BadLine(number, error.detail))

    published = client.publish(good())
    return LineCounts(published, bad)


def _bounded_lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None, int]]:
    """Number, line without its end (None where it is too long) and bytes read of each line."""
    number = 0
    while line := file.readline(MAX_MESSAGE_BYTES + 2):
        number += 1
        size = len(line)
        if size > MAX_MESSAGE_BYTES and not line.endswith(b"\n"):
            while chunk := file.readline(_CHUNK_BYTES):
                size += len(chunk)
                if chunk.endswith(b"\n"):
                    break
            yield number, None, size
        else:
            yield number, line.rstrip(b"\r\n"), size
