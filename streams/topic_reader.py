"""Read a topic from outside any consumer group: followed from now on, or from its start to its end."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import closing
from typing import Any, Literal

from kafka import KafkaConsumer, TopicPartition  # type: ignore[import-untyped]

from streams.errors import ConfigurationError, DependencyDownError
from streams.kafka_connection import kafka_python_arguments
from streams.kafka_errors import kafka_errors_explained
from streams.records import Record
from streams.settings import KafkaSettings

_NEW_PARTITIONS_CHECK_S = 30.0
_POLL_S = 0.5


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

    def seek_to_time(self, time_ms: int) -> None:
        """Go on with the first record of each partition that is of this time or later, ms since the epoch."""
        wanted = dict.fromkeys(self._partitions, time_ms)
        with kafka_errors_explained(self._settings):
            found = self._consumer.offsets_for_times(wanted)
            ends = self._consumer.end_offsets(list(self._partitions))
            for partition, end in ends.items():
                at = found.get(partition)
                self._consumer.seek(partition, end if at is None else at.offset)

    def poll(self, timeout_s: float) -> list[Record]:
        """The next records, at most 500; empty where none came within ``timeout_s`` seconds.

        Raises:
            ConfigurationError, DependencyDownError: As the constructor.
        """
        self._follow_new_partitions()
        return self._poll(timeout_s)

    def ends(self) -> dict[int, int]:
        """The offset of each partition at which the next record will be.

        Raises:
            ConfigurationError, DependencyDownError: As the constructor.
        """
        with kafka_errors_explained(self._settings):
            ends = self._consumer.end_offsets(list(self._partitions))
        return {partition.partition: end for partition, end in ends.items()}

    def read_to_end(self, ends: Mapping[int, int] | None = None) -> Generator[Record, None, None]:
        """Every record from here to where the topic ends now, or ended before.

        Args:
            ends: As `ends` said earlier; of a partition that it does not name nothing is read.

        Raises:
            DependencyDownError: Kafka gave nothing for `request_timeout_s`, with records left to read.
        """
        until = self.ends()
        if ends is not None:
            # A topic that was made anew may be shorter.
            until = {partition: min(end, ends.get(partition, 0)) for partition, end in until.items()}
        yield from self._read_until(
            {TopicPartition(self._topic, partition): end for partition, end in until.items()}
        )

    def read_from(self, partition: int, offset: int) -> Generator[Record, None, None]:
        """The records of one partition from an offset to where it ends now; none where it does not exist.

        It moves the reader: seek before anything else is read.

        Raises:
            DependencyDownError: As `read_to_end`.
        """
        wanted = TopicPartition(self._topic, partition)
        if wanted not in self._partitions:
            return
        with kafka_errors_explained(self._settings):
            start = max(offset, self._consumer.beginning_offsets([wanted])[wanted])
            ends = self._consumer.end_offsets([wanted])
            self._consumer.assign([wanted])
        try:
            if start < ends[wanted]:
                self._consumer.seek(wanted, start)
                yield from self._read_until(ends)
        finally:
            self._consumer.assign(sorted(self._partitions))

    def read_at(self, partition: int, offset: int) -> Record | None:
        """The record at one offset, or None where Kafka does not have it. Moves the reader as `read_from`."""
        with closing(self.read_from(partition, offset)) as records:
            record = next(records, None)
        return record if record is not None and record.offset == offset else None

    def close(self) -> None:
        """Close the connection. The reader is of no use afterwards."""
        self._consumer.close()

    def __enter__(self) -> TopicReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_until(self, ends: dict[Any, int]) -> Generator[Record, None, None]:
        progress_at_s = time.monotonic()
        while any(self._position(partition) < end for partition, end in ends.items()):
            records = self._poll(_POLL_S)
            if records:
                progress_at_s = time.monotonic()
            elif time.monotonic() - progress_at_s > self._settings.request_timeout_s:
                raise DependencyDownError(
                    f"Kafka at {self._settings.bootstrap_servers} gave nothing of `{self._topic}` for "
                    f"{self._settings.request_timeout_s:g} s, with records left to read"
                )
            for record in records:
                if record.offset < ends.get(TopicPartition(record.topic, record.partition), 0):
                    yield record

    def _poll(self, timeout_s: float) -> list[Record]:
        with kafka_errors_explained(self._settings):
            batches = self._consumer.poll(timeout_ms=max(0, round(timeout_s * 1_000)))
        return [_record(raw) for batch in batches.values() for raw in batch]

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
