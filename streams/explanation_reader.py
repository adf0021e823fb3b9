"""Await the words for a list."""

from __future__ import annotations

import time

from streams.codec import decode_record
from streams.errors import BadInputError
from streams.messages import Explanation, Recommendation
from streams.settings import KafkaSettings
from streams.topic_names import TopicNames
from streams.topic_reader import TopicReader

_POLL_S = 0.5


class ExplanationReader:
    """Reads words from when it was made on: make it before asking for the list. One thread at a time.

    Raises:
        ConfigurationError, DependencyDownError: As `TopicReader`.
    """

    def __init__(self, kafka: KafkaSettings, prefix: str = "freshet.") -> None:
        self._reader = TopicReader(kafka, TopicNames(prefix).explanations, "end")

    def wait_for(self, answer: Recommendation, timeout_s: float) -> Explanation | None:
        """The words for a list, None where none come in time: words may be skipped, lists are not.

        Raises:
            ConfigurationError, DependencyDownError: As `TopicReader`.
        """
        deadline_s = time.monotonic() + timeout_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            for record in self._reader.poll(min(left_s, _POLL_S)):
                if record.key != answer.user_id.encode():
                    continue
                try:
                    words = decode_record(record, Explanation)
                except BadInputError:
                    continue
                if words.recommendation_id == answer.recommendation_id:
                    return words
        return None

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()

    def __enter__(self) -> ExplanationReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
