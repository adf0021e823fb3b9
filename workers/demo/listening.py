"""Lists as they arrive, on a thread of their own, so that nothing else in the demo delays the clock."""

from __future__ import annotations

import threading
import time

from streams.codec import decode_record
from streams.errors import BadInputError, DependencyDownError
from streams.messages import Recommendation
from streams.settings import KafkaSettings
from streams.topic_reader import TopicReader
from workers.demo.journal import Journal

_POLL_S = 0.2


class ListListener:
    """Enters every list that is published from now on into a journal. A context manager.

    Raises:
        ConfigurationError, DependencyDownError: As `TopicReader`.
    """

    def __init__(self, kafka: KafkaSettings, topic: str, journal: Journal) -> None:
        self._reader = TopicReader(kafka, topic, "end")
        self._journal = journal
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="demo-lists", daemon=True)

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                records = self._reader.poll(_POLL_S)
            except DependencyDownError:
                self._stop.wait(_POLL_S)
                continue
            at_s = time.monotonic()
            for record in records:
                try:
                    recommendation = decode_record(record, Recommendation)
                except BadInputError:
                    continue
                self._journal.list_received(recommendation, at_s)

    def __enter__(self) -> ListListener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._reader.close()
