"""What Kafka says of itself, of consumer groups, and of where messages were put. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, TopicPartition  # type: ignore[import-untyped]
from kafka.admin import OffsetSpec  # type: ignore[import-untyped]

from streams.kafka_connection import kafka_python_arguments
from streams.kafka_errors import kafka_errors_explained
from streams.keys import partition_of
from streams.settings import KafkaSettings
from streams.topic_reader import TopicReader


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """``version`` is the newest that the broker's protocol fits, as (major, minor)."""

    cluster_id: str
    brokers: int
    version: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """A consumer group. ``committed`` is the offset of each (topic, partition) that has one."""

    name: str
    state: str
    members: int
    committed: dict[tuple[str, int], int]


@dataclass(frozen=True, slots=True)
class Placement:
    """Of ``sampled`` keyed records, so many lie where murmur2 of their key does not put them."""

    sampled: int
    misplaced: int
    example: bytes | None


class Cluster:
    """Asks Kafka. A context manager.

    Raises:
        ConfigurationError: Kafka refuses; from every method.
        DependencyDownError: Kafka does not answer; from every method.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        with kafka_errors_explained(settings):
            timeout_ms = round(settings.request_timeout_s * 1_000)
            self._admin: Any = KafkaAdminClient(
                **kafka_python_arguments(settings), bootstrap_timeout_ms=timeout_ms
            )

    def close(self) -> None:
        """Close the connection."""
        self._admin.close()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def facts(self) -> ClusterFacts:
        """Who it is."""
        with kafka_errors_explained(self._settings):
            cluster = self._admin.describe_cluster()
            version = self._admin.get_broker_version_data(cluster["brokers"][0]["broker_id"]).broker_version
        return ClusterFacts(cluster["cluster_id"], len(cluster["brokers"]), tuple(version))

    def groups(self, prefix: str) -> list[GroupFacts]:
        """The consumer groups whose names begin with ``prefix``, by name."""
        with kafka_errors_explained(self._settings):
            names = sorted(
                group["group_id"]
                for group in self._admin.list_groups()
                if group["group_id"].startswith(prefix)
            )
            if not names:
                return []
            described = self._admin.describe_groups(names)
            offsets = self._admin.list_group_offsets(dict.fromkeys(names))
        return [
            GroupFacts(
                name,
                str(described[name]["group_state"]),
                len(described[name]["members"]),
                {
                    (one.topic, one.partition): position.offset
                    for one, position in offsets.get(name, {}).items()
                    if position.offset >= 0
                },
            )
            for name in names
        ]

    def bounds(self, topic: str, partitions: int) -> dict[int, tuple[int, int]]:
        """First and next offset of each partition."""
        wanted = [TopicPartition(topic, number) for number in range(partitions)]
        with kafka_errors_explained(self._settings):
            first = self._admin.list_partition_offsets(dict.fromkeys(wanted, OffsetSpec.EARLIEST))
            end = self._admin.list_partition_offsets(dict.fromkeys(wanted, OffsetSpec.LATEST))
        return {one.partition: (first[one].offset, end[one].offset) for one in wanted}

    def placement(self, topic: str, partitions: int, sample: int) -> Placement:
        """Look at the keys of the newest records, about ``sample`` in all."""
        each = max(1, sample // partitions)
        sampled = misplaced = 0
        example: bytes | None = None
        bounds = self.bounds(topic, partitions)
        with TopicReader(self._settings, topic, "end") as reader:
            for partition, (first, end) in bounds.items():
                if first >= end:
                    continue
                for record in reader.read_from(partition, max(first, end - each)):
                    if record.key is None:
                        continue
                    sampled += 1
                    if _partition_of(record.key, partitions) != partition:
                        misplaced += 1
                        example = example or record.key
        return Placement(sampled, misplaced, example)


def _partition_of(key: bytes, partitions: int) -> int | None:
    try:
        return partition_of(key.decode(), partitions)
    except UnicodeDecodeError:
        return None
