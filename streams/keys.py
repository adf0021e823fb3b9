"""Kafka keys: which key a message has, and which partition it goes to."""

from __future__ import annotations

import msgspec
from kafka.partitioner.default import murmur2  # type: ignore[import-untyped]

from streams.fields import Modality
from streams.internal_messages import FeatureMessage, ItemDeclared
from streams.model_messages import (
    ActiveModel,
    ActiveUserModel,
    ModelBundle,
    ModelMessage,
    RefusedModel,
    UserModelBundle,
    WantedModel,
    WantedUserModel,
)

ACTIVE_MODEL_KEY = "active"
WANTED_MODEL_KEY = "wanted"
# Before the vector space, as each has pointers of its own; no name of a model has a space in it.
ACTIVE_USER_MODEL_PREFIX = "active-user-model "
WANTED_USER_MODEL_PREFIX = "wanted-user-model "
# Of a refusal, after the model's own key; no name of a model has a space in it.
REFUSED_SUFFIX = " refused"


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key by murmur2, as Java's producer and librdkafka's `murmur2_random` choose it.

    Args:
        key: An item id or a user id.
        partitions: How many partitions the topic has, at least 1.
    """
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % partitions)


def model_key(message: ModelMessage) -> str:
    """The key in `models`: each pointer has one of its own, so that one record of each is left."""
    match message:
        case ActiveModel():
            return ACTIVE_MODEL_KEY
        case WantedModel():
            return WANTED_MODEL_KEY
        case RefusedModel():
            return f"{message.name}@{message.version}{REFUSED_SUFFIX}"
        case ActiveUserModel():
            return f"{ACTIVE_USER_MODEL_PREFIX}{message.space}"
        case WantedUserModel():
            return f"{WANTED_USER_MODEL_PREFIX}{message.space}"
        case ModelBundle() | UserModelBundle():
            return f"{message.name}@{message.version}"


def feature_key(message: FeatureMessage) -> str:
    """The compaction key in `item-features`: item, modality and encoder, as a JSON array.

    Partition these messages by the item alone (`partition_of(item_id, …)`), so that all of an item's
    features meet in one fuse worker.
    """
    if isinstance(message, ItemDeclared):
        return msgspec.json.encode([message.item_id]).decode()
    return feature_key_of(message.item_id, message.modality, message.encoder)


def feature_key_of(item_id: str, modality: Modality, encoder: str) -> str:
    """The key of one modality's feature, for the null that removes it."""
    return msgspec.json.encode([item_id, modality, encoder]).decode()
