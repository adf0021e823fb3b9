"""A typed client for Python: publish items and events, follow recommendations, ask and await an answer.

It is a convenience: any Kafka client that speaks JSON can do the same.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable
from typing import Any

from kafka import KafkaProducer  # type: ignore[import-untyped]

from streams.codec import decode_record, outgoing
from streams.errors import BadInputError, ConfigurationError, DependencyDownError, InvalidError
from streams.fields import MAX_ID_CHARACTERS
from streams.kafka_connection import kafka_python_arguments
from streams.kafka_errors import kafka_errors_explained
from streams.messages import DEFAULT_LIST_COUNT, Event, Item, Recommendation, RecommendationRequest
from streams.recommendation_stream import RecommendationStream
from streams.records import Outgoing, Record
from streams.settings import KafkaSettings
from streams.topic_admin import require_topic
from streams.topic_names import TopicNames
from streams.topic_reader import TopicReader
from streams.topics import MAX_MESSAGE_BYTES

# What may be under way to Kafka before publishing waits: kafka-python itself sets no bound.
_MAX_UNACKNOWLEDGED_RECORDS = 2_000
_MAX_UNACKNOWLEDGED_BYTES = 32 << 20
# Kafka's limit counts the header of a batch as well.
_BATCH_OVERHEAD_BYTES = 128
_POLL_S = 0.5


class FreshetClient:
    """Publishes to and reads from a Freshet deployment.

    Publishing waits until Kafka has acknowledged (idempotent, all in-sync replicas). Every method may be
    called from several threads at once; questions of `ask` are answered one after the other, and each stream
    of `recommendations` belongs to one thread. Do not share a client across a fork.

    Args:
        kafka: `host:port` of brokers, comma separated, or all of the settings.
        prefix: Of the topics' names.

    Raises:
        ConfigurationError: The settings are wrong, Kafka refuses, or a topic does not exist.
        DependencyDownError: Kafka does not answer.
    """

    def __init__(self, kafka: str | KafkaSettings, prefix: str = "freshet.") -> None:
        self._settings = KafkaSettings(bootstrap_servers=kafka) if isinstance(kafka, str) else kafka
        self._names = TopicNames(prefix)
        self._known_topics: set[str] = set()
        self._answers: TopicReader | None = None
        self._answers_lock = threading.Lock()
        self._producer_lock = threading.Lock()
        self._producer: Any = self._new_producer()

    def publish_item(self, item: Item) -> None:
        """Publish an item, or replace it: what the new message leaves out is gone.

        Raises:
            InvalidError: It cannot be encoded, or is larger than the topic takes.
            ConfigurationError, DependencyDownError: As the constructor.
        """
        self.publish_items([item])

    def publish_items(self, items: Iterable[Item]) -> int:
        """Publish items, and return how many. An error leaves those before it published.

        Raises:
            InvalidError, ConfigurationError, DependencyDownError: As `publish_item`.
        """
        return self.publish(outgoing(self._names.items, item) for item in items)

    def withdraw_item(self, item_id: str) -> None:
        """Take an item out of every list, and forget it.

        Raises:
            ValueError: The id is empty or has over 256 characters.
            ConfigurationError, DependencyDownError: As the constructor.
        """
        if not 1 <= len(item_id) <= MAX_ID_CHARACTERS:
            raise ValueError(f"an item id has 1 to {MAX_ID_CHARACTERS} characters")
        self.publish([Outgoing(topic=self._names.items, key=item_id.encode(), value=None)])

    def publish_event(self, event: Event) -> None:
        """Publish something that a person did. Repeating an `event_id` is harmless.

        Raises:
            InvalidError, ConfigurationError, DependencyDownError: As `publish_item`.
        """
        self.publish_events([event])

    def publish_events(self, events: Iterable[Event]) -> int:
        """Publish events, and return how many. An error leaves those before it published.

        Raises:
            InvalidError, ConfigurationError, DependencyDownError: As `publish_item`.
        """
        return self.publish(outgoing(self._names.events, event) for event in events)

    def publish(self, records: Iterable[Outgoing]) -> int:
        """Publish records as they are, wait until Kafka has them all, and return how many.

        Raises:
            InvalidError, ConfigurationError, DependencyDownError: As `publish_item`.
        """
        with self._producer_lock:
            if self._producer is None:
                self._producer = self._new_producer()
            producer = self._producer
        count = 0
        unacknowledged: list[Any] = []
        unacknowledged_bytes = 0
        try:
            for record in records:
                self._require_topic(record.topic)
                with kafka_errors_explained(self._settings):
                    unacknowledged.append(_send(producer, record))
                count += 1
                unacknowledged_bytes += len(record.value or b"")
                if (
                    len(unacknowledged) >= _MAX_UNACKNOWLEDGED_RECORDS
                    or unacknowledged_bytes >= _MAX_UNACKNOWLEDGED_BYTES
                ):
                    batch, unacknowledged, unacknowledged_bytes = unacknowledged, [], 0
                    self._await(producer, batch)
        finally:
            self._await(producer, unacknowledged)
        return count

    def recommendations(
        self, user_id: str | None = None, *, from_beginning: bool = False, silence_s: float | None = None
    ) -> RecommendationStream:
        """Follow the lists that are published from now on.

        Args:
            user_id: Only this person's.
            from_beginning: First every list that Kafka still holds.
            silence_s: End after so many seconds without a list; None follows for ever.

        Returns:
            An iterator, to be closed (it is a context manager). It misses nothing that is published after
            this call.

        Raises:
            ConfigurationError, DependencyDownError: As the constructor.
        """
        reader = TopicReader(
            self._settings, self._names.recommendations, "beginning" if from_beginning else "end"
        )
        return RecommendationStream(reader, user_id, silence_s)

    def ask(
        self,
        user_id: str,
        *,
        count: int = DEFAULT_LIST_COUNT,
        timeout_s: float = 10.0,
        request_id: str | None = None,
        **fields: Any,
    ) -> Recommendation:
        """Ask for a list, and wait for the answer.

        Args:
            user_id: Whom it is for.
            count: How many items, 1 to 500.
            timeout_s: How long to wait for the answer.
            request_id: By default a new one.
            fields: Further fields of `RecommendationRequest`, such as ``filter`` or ``seed_items``.

        Raises:
            msgspec.ValidationError: A field is wrong, or unknown (TypeError); nothing was published.
            DependencyDownError: No answer came in time, or Kafka does not answer.
            ConfigurationError: As the constructor.
        """
        request = RecommendationRequest(
            request_id=request_id or str(uuid.uuid4()), user_id=user_id, count=count, **fields
        )
        with self._answers_lock:
            if self._answers is None:
                self._answers = TopicReader(self._settings, self._names.recommendations, "end")
            else:
                self._answers.seek_to_end()
            deadline_s = time.monotonic() + timeout_s
            self.publish([outgoing(self._names.recommendation_requests, request)])
            while (left_s := deadline_s - time.monotonic()) > 0:
                for record in self._answers.poll(min(left_s, _POLL_S)):
                    answer = _answer(record, request)
                    if answer is not None:
                        return answer
        raise DependencyDownError(
            f"no answer to request {request.request_id} within {timeout_s:g} s: "
            "is a `recommend` worker running?"
        )

    def close(self) -> None:
        """Close the connections. The client is of no use afterwards."""
        with self._answers_lock:
            if self._answers is not None:
                self._answers.close()
                self._answers = None
        with self._producer_lock:
            if self._producer is not None:
                self._producer.close(timeout=self._settings.request_timeout_s)

    def __enter__(self) -> FreshetClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _new_producer(self) -> Any:
        timeout_ms = round(self._settings.request_timeout_s * 1_000)
        with kafka_errors_explained(self._settings):
            return KafkaProducer(
                **kafka_python_arguments(self._settings),
                acks="all",
                enable_idempotence=True,
                allow_auto_create_topics=False,
                linger_ms=1,
                max_request_size=MAX_MESSAGE_BYTES - _BATCH_OVERHEAD_BYTES,
                max_block_ms=timeout_ms,
                bootstrap_timeout_ms=timeout_ms,
                delivery_timeout_ms=2 * timeout_ms,
            )

    def _require_topic(self, topic: str) -> None:
        if topic not in self._known_topics:
            require_topic(self._settings, topic)
            self._known_topics.add(topic)

    def _await(self, producer: Any, futures: list[Any]) -> None:
        try:
            with kafka_errors_explained(self._settings):
                for future in futures:
                    future.get(timeout=3 * self._settings.request_timeout_s)
        except (DependencyDownError, ConfigurationError, InvalidError):
            # What Kafka refuses leaves a gap in the sequence of an idempotent producer: it never recovers.
            with self._producer_lock:
                if self._producer is producer:
                    self._producer = None
            producer.close(timeout=_POLL_S)
            raise


def _send(producer: Any, record: Outgoing) -> Any:
    return producer.send(
        record.topic,
        key=record.key,
        value=record.value,
        partition=record.partition,
        headers=list(record.headers),
    )


def _answer(record: Record, request: RecommendationRequest) -> Recommendation | None:
    if record.key != request.user_id.encode():
        return None
    try:
        answer = decode_record(record, Recommendation)
    except BadInputError:
        return None
    is_answer = answer.cause.kind == "request" and answer.cause.id == request.request_id
    return answer if is_answer else None
