"""Fetches that name a topic by its id, so that Kafka itself refuses to read from another topic of that name.

Read by name, what was fetched has to be confirmed by asking for the topic's id afterwards: a round trip for
each fetch. aiokafka speaks the Fetch API up to version 11, by name; ids come with version 13 (KIP-516, Kafka
3.1). That one is put into bytes by kafka-python, and sent over aiokafka's connections.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion, UnknownTopicOrPartitionError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.fetch import FetchRequest as FetchByNameRequest
from aiokafka.protocol.types import Schema
from aiokafka.structs import TopicPartition
from kafka.protocol.consumer.fetch import (  # type: ignore[import-untyped]
    FetchRequest,
    FetchResponse,
)

# Before asking again for what has no id yet, or another.
RETRY_PAUSE_S = 0.05
_VERSION = 13
_NO_SESSION = 0
_NO_SESSION_EPOCH = -1
_UNKNOWN = -1
_UNKNOWN_TOPIC_ID, _INCONSISTENT_TOPIC_ID = 100, 103


class _FetchResponseV13(Response):  # type: ignore[misc]
    API_KEY, API_VERSION, SCHEMA = FetchResponse.API_KEY, _VERSION, Schema()

    @classmethod
    def decode(cls, data: BytesIO) -> Any:
        return FetchResponse[_VERSION].decode(data.read())


class _FetchRequestV13(RequestStruct):  # type: ignore[misc]
    API_KEY, API_VERSION, SCHEMA = FetchRequest.API_KEY, _VERSION, Schema()
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _FetchResponseV13

    def __init__(self, message: Any) -> None:
        self._message = message

    def encode(self) -> bytes:
        return bytes(self._message.encode())


_Partitions = list[tuple[int, int, int]]


class _FetchByIdRequest(Request[_FetchRequestV13]):  # type: ignore[misc]
    """Asks what ``by_name`` asks; ``topics``: by id, (partition, offset, bytes at most) of each partition."""

    API_KEY = FetchRequest.API_KEY

    def __init__(self, by_name: Any, topics: Mapping[uuid.UUID, _Partitions]) -> None:
        self._by_name = by_name
        self._topics = topics

    def build(self, request_struct_class: type[_FetchRequestV13]) -> _FetchRequestV13:
        asked, topic = self._by_name, FetchRequest.FetchTopic
        return request_struct_class(
            FetchRequest[_VERSION](
                replica_id=_UNKNOWN,
                max_wait_ms=asked._max_wait_ms,
                min_bytes=asked._min_bytes,
                max_bytes=asked._max_bytes,
                isolation_level=asked._isolation_level,
                session_id=_NO_SESSION,
                session_epoch=_NO_SESSION_EPOCH,
                topics=[
                    topic(
                        topic_id=topic_id,
                        partitions=[
                            topic.FetchPartition(
                                partition=partition,
                                current_leader_epoch=_UNKNOWN,
                                fetch_offset=offset,
                                last_fetched_epoch=_UNKNOWN,
                                log_start_offset=_UNKNOWN,
                                partition_max_bytes=max_bytes,
                            )
                            for partition, offset, max_bytes in partitions
                        ],
                    )
                    for topic_id, partitions in self._topics.items()
                ],
                forgotten_topics_data=[],
                rack_id=asked._rack_id,
            )
        )


class _Fetched(NamedTuple):
    """A response as aiokafka's fetcher reads it: by name, as of version 11."""

    topics: Sequence[tuple[str, Sequence[tuple[Any, ...]]]]
    API_VERSION: int = 11


class ClientFetchingById:
    """aiokafka's client for its fetcher, which asks for records by name; all else is passed on.

    Args:
        topic_id_of: The id of the topic in which a partition's offsets count; None where it is not known yet:
            nothing is read of it then.
        on_other_topic: Called where a topic of this name is another by now.

    Attributes:
        by_name: Partitions of which records were read by name, from a Kafka before 3.1: what was read of
            these has to be confirmed.
    """

    def __init__(
        self,
        client: AIOKafkaClient,
        topic_id_of: Callable[[TopicPartition], str | None],
        on_other_topic: Callable[[], None],
    ) -> None:
        self._client: Any = client
        self._topic_id_of = topic_id_of
        self._on_other_topic = on_other_topic
        self.by_name: set[TopicPartition] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: int, request: Any, **options: Any) -> Any:
        """See aiokafka's client."""
        if not isinstance(request, FetchByNameRequest):
            return await self._client.send(node_id, request, **options)
        names: dict[uuid.UUID, str] = {}
        topics: dict[uuid.UUID, _Partitions] = {}
        for name, partitions in request.topics:
            for asked in partitions:
                topic_id = self._topic_id_of(TopicPartition(name, asked[0]))
                if topic_id is not None:
                    names[_parsed(topic_id)] = name
                    topics.setdefault(_parsed(topic_id), []).append(asked)
        if not topics:
            await asyncio.sleep(RETRY_PAUSE_S)
            return _Fetched(())
        try:
            response = await self._client.send(node_id, _FetchByIdRequest(request, topics), **options)
        # aiokafka raises either where the broker has no version of the request that is defined here.
        except (IncompatibleBrokerVersion, NotImplementedError):
            self.by_name |= {
                TopicPartition(name, asked[0]) for name, partitions in request.topics for asked in partitions
            }
            return await self._client.send(node_id, request, **options)
        return await self._by_names(response, names)

    async def _by_names(self, response: Any, names: Mapping[uuid.UUID, str]) -> _Fetched:
        is_other = False
        found = []
        for topic in response.responses:
            name, own = names[topic.topic_id], []
            for of in topic.partitions:
                if self._topic_id_of(TopicPartition(name, of.partition_index)) != str(topic.topic_id):
                    # Positioned anew meanwhile.
                    continue
                error_code = of.error_code
                if error_code in (_UNKNOWN_TOPIC_ID, _INCONSISTENT_TOPIC_ID):
                    is_other = True
                    error_code = UnknownTopicOrPartitionError.errno
                own.append(
                    (
                        of.partition_index,
                        error_code,
                        of.high_watermark,
                        of.last_stable_offset,
                        of.log_start_offset,
                        [(one.producer_id, one.first_offset) for one in of.aborted_transactions or ()],
                        of.preferred_read_replica,
                        of.records,
                    )
                )
            found.append((name, own))
        if is_other:
            self._on_other_topic()
            # Kafka answers such a fetch at once.
            await asyncio.sleep(RETRY_PAUSE_S)
        return _Fetched(found)


@lru_cache(1_000)
def _parsed(topic_id: str) -> uuid.UUID:
    return uuid.UUID(topic_id)
