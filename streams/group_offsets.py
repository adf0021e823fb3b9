"""What a group has acknowledged of partitions, as far as that is of the topic's present life.

The driver commits the topic's id with each offset: offsets outlive a topic that is deleted, and one that is
created again under its name begins at 0.
"""

from __future__ import annotations

from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import OffsetAndMetadata, TopicPartition

_ID = "topic-id "


def acknowledged(offset: int, topic_uuid: str) -> OffsetAndMetadata:
    """What to commit for a partition of the topic with this id."""
    return OffsetAndMetadata(offset, _ID + topic_uuid)


async def acknowledged_offsets(
    consumer: AIOKafkaConsumer, topic_uuids: Mapping[TopicPartition, str]
) -> dict[TopicPartition, int]:
    """The offset after the last acknowledged record of each partition, given with its topic's id.

    Partitions of which nothing was acknowledged, or of another life of the topic alone, are left out.

    Args:
        consumer: A started one with the group's id; it need not be a member.

    Raises:
        KafkaError: Kafka does not tell.
    """
    committed = await consumer._coordinator.fetch_committed_offsets(list(topic_uuids))
    return {
        partition: int(found.offset)
        for partition, found in committed.items()
        # Metadata that is no id of ours says that an operator has set this offset.
        if found.metadata == _ID + topic_uuids[partition] or not found.metadata.startswith(_ID)
    }
