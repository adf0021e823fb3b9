"""Read a topic from outside any consumer group: followed from now on, or from its start to its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal

from kafka import KafkaConsumer, TopicPartition  # type: ignore[import-untyped]

from streams.errors import ConfigurationError
from streams.kafka_connection import kafka_python_arguments
from streams.kafka_errors import kafka_errors_explained
from streams.records import Record
from streams.settings import KafkaSettings

_NEW_PARTITIONS_CHECK_S = 30.0


class TopicReader:
    """All partitions of one topic, in the order of each partition. Commits nothing. Not thread-safe.

    The positions are fixed when this returns: what is published afterwards is read.

    Args:
        settings: Where Kafka is.
        topic: The full name.
        start: Where to begin.

    Raises:
        ConfigurationError: There is no such topic, or Kafka does not let us in.
        DependencyDownError: Kafka does not answer.
    """

    def __init__(self, settings: KafkaSettings, topic: str, start: Literal["beginning", "end"]) -> None:
        self._settings = settings
        self._topic = topic
        timeout_ms = round(settings.request_timeout_s * 1_000)
        with kafka_errors_explained(settings):
            self._consumer = KafkaConsumer(
                **kafka_python_arguments(settings),
                group_id=None,
                enable_auto_commit=False,
                allow_auto_create_topics=False,
                auto_offset_reset="earliest",
                bootstrap_timeout_ms=timeout_ms,
                metadata_max_age_ms=round(_NEW_PARTITIONS_CHECK_S * 1_000),
            )
            try:
                self._consumer.bootstrap(timeout_ms=timeout_ms)
                self._partitions = self._find_partitions()
                self._consumer.assign(sorted(self._partitions))
                (self.seek_to_end if start == "end" else self.seek_to_beginning)()
            except BaseException:
                self._consumer.close()
                raise
        self._checked_at_s = time.monotonic()

    def seek_to_end(self) -> None:
        """Go on with what is published from now on."""
        with kafka_errors_explained(self._settings):
            for partition, offset in self._consumer.end_offsets(list(self._partitions)).items():
                self._consumer.seek(partition, offset)

    def seek_to_beginning(self) -> None:
        """Begin again with the oldest record that Kafka holds."""
        with kafka_errors_explained(self._settings):
            for partition, offset in self._consumer.beginning_offsets(list(self._partitions)).items():
                self._consumer.seek(partition, offset)

    def poll(self, timeout_s: float) -> list[Record]:
        """The next records, at most 500; empty where none came within ``timeout_s`` seconds.

        Raises:
            ConfigurationError, DependencyDownError: As the constructor.
        """
        self._follow_new_partitions()
        with kafka_errors_explained(self._settings):
            batches = self._consumer.poll(timeout_ms=max(0, round(timeout_s * 1_000)))
        return [_record(raw) for batch in batches.values() for raw in batch]

    def read_to_end(self) -> Iterator[Record]:
        """Every record from here to where the topic ends now."""
        with kafka_errors_explained(self._settings):
            ends = self._consumer.end_offsets(list(self._partitions))
        while any(self._position(partition) < end for partition, end in ends.items()):
            for record in self.poll(1.0):
                if record.offset < ends.get(TopicPartition(record.topic, record.partition), 0):
                    yield record

    def read_at(self, partition: int, offset: int) -> Record | None:
        """The record at one offset, or None where Kafka no longer has it. Moves only that partition."""
        wanted = TopicPartition(self._topic, partition)
        if wanted not in self._partitions:
            return None
        with kafka_errors_explained(self._settings):
            first = self._consumer.beginning_offsets([wanted])[wanted]
            if not first <= offset < self._consumer.end_offsets([wanted])[wanted]:
                return None
            self._consumer.assign([wanted])
            try:
                self._consumer.seek(wanted, offset)
                deadline_s = time.monotonic() + self._settings.request_timeout_s
                while time.monotonic() < deadline_s:
                    for raw in self._consumer.poll(timeout_ms=500, max_records=1).get(wanted, ()):
                        # Compaction leaves gaps: then the next record comes instead.
                        return _record(raw) if raw.offset == offset else None
            finally:
                self._consumer.assign(sorted(self._partitions))
        return None

    def close(self) -> None:
        """Close the connection. The reader is of no use afterwards."""
        self._consumer.close()

    def __enter__(self) -> TopicReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _position(self, partition: Any) -> int:
        with kafka_errors_explained(self._settings):
            return int(self._consumer.position(partition))

    def _find_partitions(self) -> set[Any]:
        found = self._consumer.partitions_for_topic(self._topic)
        if not found:
            raise ConfigurationError(
                f"Kafka at {self._settings.bootstrap_servers} has no topic `{self._topic}`: check "
                "`topics.prefix`, or run `freshet topics create`"
            )
        return {TopicPartition(self._topic, partition) for partition in found}

    def _follow_new_partitions(self) -> None:
        if time.monotonic() - self._checked_at_s < _NEW_PARTITIONS_CHECK_S:
            return
        self._checked_at_s = time.monotonic()
        new = self._find_partitions() - self._partitions
        if new:
            positions = {partition: self._position(partition) for partition in self._partitions}
            self._partitions |= new
            self._consumer.assign(sorted(self._partitions))
            for partition in self._partitions:
                self._consumer.seek(partition, positions.get(partition, 0))


def _record(raw: Any) -> Record:
    return Record(
        topic=raw.topic,
        topic_uuid="",  # kafka-python does not tell it
        partition=raw.partition,
        offset=raw.offset,
        timestamp_ms=raw.timestamp,
        key=raw.key,
        value=raw.value,
        headers=tuple(raw.headers),
    )
