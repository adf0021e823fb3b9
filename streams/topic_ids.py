"""The ids that Kafka gives to topics: one deleted and created again under the same name has another.

aiokafka speaks the Metadata API up to version 5; ids come with version 12 (Kafka 2.8), defined here on
aiokafka's own building blocks and sent over its connections.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from io import BytesIO
from typing import ClassVar

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from streams.errors import ConfigurationError

_NO_ERROR = 0
_UNKNOWN_TOPIC_OR_PARTITION = 3
_LEADER_NOT_AVAILABLE = 5
_NO_ID = uuid.UUID(int=0)


class _Uuid(AbstractType[uuid.UUID]):  # type: ignore[misc]
    @classmethod
    def encode(cls, value: uuid.UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> uuid.UUID:
        return uuid.UUID(bytes=data.read(16))

    @classmethod
    def repr(cls, value: uuid.UUID) -> str:
        return str(value)


# https://kafka.apache.org/41/design/protocol/#The_Messages_Metadata, version 12
class _MetadataResponseV12(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _MetadataRequestV12(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION: ClassVar[bool] = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = _MetadataResponseV12
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequestV12]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topics: Iterable[str]) -> None:
        self._topics: list[tuple[uuid.UUID, str, dict[int, bytes]]] = [
            (_NO_ID, topic, {}) for topic in topics
        ]

    def build(self, request_struct_class: type[_MetadataRequestV12]) -> _MetadataRequestV12:
        return request_struct_class(self._topics, False, False, {})


async def fetch_topic_ids(
    client: AIOKafkaClient, topics: Iterable[str], *, node_id: int | None = None
) -> dict[str, str]:
    """Ask a broker for the ids of topics; never creates one.

    Args:
        node_id: Which broker; the one that served a fetch cannot answer with the id of an earlier topic.

    Returns:
        Topic to id, without the topics that do not exist.

    Raises:
        KafkaError: The broker does not answer, or not for a topic.
        ConfigurationError: The broker is older than Kafka 2.8.
    """
    node = client.get_random_node() if node_id is None else node_id
    try:
        response = await client.send(node, _MetadataRequest(topics))
    # aiokafka raises either where the broker has no version of the request that is defined here.
    except (IncompatibleBrokerVersion, NotImplementedError) as error:
        raise ConfigurationError("this Kafka has no topic ids: version 2.8 or later is needed") from error
    found: dict[str, str] = {}
    for error_code, name, topic_id, *_ in response.topics:
        # A topic whose leader is being elected has its id all the same.
        if error_code in (_NO_ERROR, _LEADER_NOT_AVAILABLE):
            found[name] = str(topic_id)
        elif error_code != _UNKNOWN_TOPIC_OR_PARTITION:
            failure: type[KafkaError] = for_code(error_code)
            raise failure(name)
    return found
