"""Reading a topic while it grows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kafka import KafkaConsumer, TopicPartition

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Entry(Generic[ValueT]):
    """One record. ``value`` None is a null."""

    partition: int
    offset: int
    key: str | None
    value: ValueT | None


class Tail(Generic[ValueT]):
    """Every record of a topic from its start, kept; reading goes on where it stopped.

    Args:
        decode: A record's value.
    """

    def __init__(self, bootstrap_servers: str, topic: str, decode: Callable[[bytes], ValueT]) -> None:
        self._topic = topic
        self._decode = decode
        self._consumer = KafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
        numbers = self._consumer.partitions_for_topic(topic) or ()
        self._partitions = [TopicPartition(topic, number) for number in numbers]
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning(*self._partitions)
        self.entries: list[Entry[ValueT]] = []

    def close(self) -> None:
        """Let go of Kafka."""
        self._consumer.close()

    def read_to_end(self) -> None:
        """Read what is there now."""
        ends = self._consumer.end_offsets(self._partitions)
        while any(self._consumer.position(one) < end for one, end in ends.items()):
            self._poll(100)

    def values(self, wanted: Callable[[ValueT], bool]) -> list[ValueT]:
        """What was read and is wanted, in the order it was read."""
        return [entry.value for entry in self.entries if entry.value is not None and wanted(entry.value)]

    def of_key(self, key: str) -> list[Entry[ValueT]]:
        """What was read of a key, in order."""
        return [entry for entry in self.entries if entry.key == key]

    def wait_for(self, wanted: Callable[[ValueT], bool], timeout_s: float = 120.0) -> ValueT:
        """The first value that is wanted, also of those read before."""
        found = self.wait_until(lambda: self.values(wanted), timeout_s)
        return found[0]

    def wait_until(self, condition: Callable[[], Any], timeout_s: float = 120.0) -> Any:
        """Read on until ``condition`` gives something true, which is returned."""
        deadline = time.monotonic() + timeout_s
        while not (result := condition()):
            shown = str([entry.value for entry in self.entries[-3:]])[:2_000]
            assert time.monotonic() < deadline, f"{self._topic}: not within {timeout_s} s; lastly {shown}"
            self._poll(50)
        return result

    def _poll(self, timeout_ms: int) -> None:
        for records in self._consumer.poll(timeout_ms=timeout_ms).values():
            for record in records:
                key: Any = record.key
                self.entries.append(
                    Entry(
                        record.partition,
                        record.offset,
                        None if key is None else key.decode(errors="replace"),
                        None if record.value is None else self._decode(record.value),
                    )
                )
