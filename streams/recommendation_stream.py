"""Follow the topic of recommendations."""

from __future__ import annotations

import time
from collections.abc import Iterator

import structlog

from streams.codec import decode_record
from streams.errors import BadInputError
from streams.messages import Recommendation
from streams.records import Record
from streams.topic_reader import TopicReader

_POLL_S = 0.5

_log = structlog.get_logger(__name__)


class RecommendationStream(Iterator[Recommendation]):
    """Lists as they are published; ends only with `close`, or after a silence. One thread at a time.

    Records that are no valid recommendation are logged and passed over.
    """

    def __init__(self, reader: TopicReader, user_id: str | None, silence_s: float | None) -> None:
        self._reader = reader
        self._key = None if user_id is None else user_id.encode()
        self._silence_s = silence_s
        self._waiting: list[Recommendation] = []
        self._closed = False

    def __next__(self) -> Recommendation:
        deadline_s = None if self._silence_s is None else time.monotonic() + self._silence_s
        while not self._waiting:
            if self._closed or (deadline_s is not None and time.monotonic() >= deadline_s):
                raise StopIteration
            records = self._reader.poll(_POLL_S)
            # Reversed, so that the oldest is popped first.
            self._waiting = [list_ for record in reversed(records) for list_ in self._decoded(record)]
        return self._waiting.pop()

    def _decoded(self, record: Record) -> Iterator[Recommendation]:
        if self._key is not None and record.key != self._key:
            return
        try:
            yield decode_record(record, Recommendation)
        except BadInputError as error:
            _log.warning(
                "not a recommendation",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                problem=error.detail,
            )

    def close(self) -> None:
        """Stop, and close the connection."""
        self._closed = True
        self._reader.close()

    def __enter__(self) -> RecommendationStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
