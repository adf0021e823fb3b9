"""Records of `item-features`: compacted by item, modality and encoder, partitioned by item."""

from __future__ import annotations

from streams.codec import outgoing
from streams.fields import Modality
from streams.internal_messages import FeatureMessage
from streams.keys import feature_key_of, partition_of
from streams.records import Outgoing
from streams.settings import Settings
from streams.topic_names import TopicNames

# On a withdrawal in `item-vectors`, which has no value: the version that it is newer than.
VERSION_HEADER = "version"


def feature_record(topics: TopicNames, settings: Settings, message: FeatureMessage) -> Outgoing:
    """The record that holds ``message``."""
    # By item and not by the key, so that all of an item meets in one fuse process.
    partition = partition_of(message.item_id, settings.topics.item_partitions)
    return outgoing(topics.item_features, message, partition)


def withdrawn_feature(topics: TopicNames, settings: Settings, item_id: str, modality: Modality) -> Outgoing:
    """The null that removes what the key of a withdrawn item's feature holds."""
    key = feature_key_of(item_id, modality, settings.encoders.name_for(modality))
    partition = partition_of(item_id, settings.topics.item_partitions)
    return Outgoing(topics.item_features, key.encode(), None, partition=partition)
