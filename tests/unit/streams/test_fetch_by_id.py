"""Fetches by topic id: what is sent, and what aiokafka's fetcher gets to see."""

from __future__ import annotations

import uuid
from io import BytesIO
from typing import Any

import pytest
from aiokafka.protocol.fetch import FetchRequest as FetchByNameRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.structs import TopicPartition
from kafka.protocol.consumer.fetch import FetchRequest, FetchResponse  # type: ignore[import-untyped]

from streams.driver import fetch_by_id
from streams.driver.fetch_by_id import ClientFetchingById

ONE, OTHER = uuid.uuid4(), uuid.uuid4()
KAFKA_4_1 = {1: (4, 17)}
KAFKA_3_0 = {1: (0, 12)}


class Broker:
    """Answers fetches of the version that it negotiates; remembers all requests, and what fetches asked."""

    cluster = "passed on"

    def __init__(self, versions: dict[int, tuple[int, int]], responses: list[Any] | None = None) -> None:
        self._versions = versions
        self._responses = responses or []
        self.requests: list[Any] = []
        self.asked: list[Any] = []

    async def send(self, node_id: int, request: Any) -> Any:
        assert node_id == 7
        self.requests.append(request)
        if request.API_KEY != 1:
            return None
        prepared = request.prepare(self._versions)
        if prepared.API_VERSION != 13:
            return "by name"
        self.asked.append(FetchRequest[13].decode(prepared.encode()))
        answer = FetchResponse[13](
            throttle_time_ms=0, error_code=0, session_id=0, responses=self._responses
        ).encode()
        return prepared.RESPONSE_TYPE.decode(BytesIO(bytes(answer)))


def answer(topic_id: uuid.UUID, partition: int, *, error_code: int = 0, records: bytes = b"") -> Any:
    topic = FetchResponse.FetchableTopicResponse
    return topic(
        topic_id=topic_id,
        partitions=[
            topic.PartitionData(
                partition_index=partition,
                error_code=error_code,
                high_watermark=12,
                last_stable_offset=11,
                log_start_offset=3,
                aborted_transactions=None,
                preferred_read_replica=-1,
                records=records,
            )
        ],
    )


def asked_by_name() -> FetchByNameRequest:
    return FetchByNameRequest(
        250, 1, 4_000, 1, [("t", [(0, 5, 100), (1, 6, 100)]), ("u", [(0, 7, 200)])], "r"
    )


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_by_id, "RETRY_PAUSE_S", 0.0)


def client(
    broker: Broker, ids: dict[TopicPartition, uuid.UUID], doubts: list[bool] | None = None
) -> ClientFetchingById:
    made: Any = broker
    known = {partition: str(topic_id) for partition, topic_id in ids.items()}
    told = [] if doubts is None else doubts
    return ClientFetchingById(made, known.get, lambda: told.append(True))


T0, T1, U0 = TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("u", 0)


async def test_asks_by_id_and_answers_by_name() -> None:
    broker = Broker(KAFKA_4_1, [answer(ONE, 0, records=b"records"), answer(OTHER, 0)])
    found = await client(broker, {T0: ONE, T1: ONE, U0: OTHER}).send(7, asked_by_name())
    (asked,) = broker.asked
    assert (asked.max_wait_ms, asked.min_bytes, asked.max_bytes, asked.rack_id) == (250, 1, 4_000, "r")
    assert asked.isolation_level == 1
    assert [
        (topic.topic_id, one.partition, one.fetch_offset, one.partition_max_bytes)
        for topic in asked.topics
        for one in topic.partitions
    ] == [(ONE, 0, 5, 100), (ONE, 1, 6, 100), (OTHER, 0, 7, 200)]
    # The layout of version 11, which aiokafka's fetcher takes apart.
    assert found.API_VERSION == 11
    assert found.topics == [
        ("t", [(0, 0, 12, 11, 3, [], -1, b"records")]),
        ("u", [(0, 0, 12, 11, 3, [], -1, b"")]),
    ]


async def test_two_lives_of_a_topic_are_asked_for_apart() -> None:
    broker = Broker(KAFKA_4_1)
    await client(broker, {T0: ONE, T1: OTHER}).send(7, asked_by_name())
    assert [(one.topic_id, [of.partition for of in one.partitions]) for one in broker.asked[0].topics] == [
        (ONE, [0]),
        (OTHER, [1]),
    ]


async def test_what_is_not_positioned_is_not_read() -> None:
    broker = Broker(KAFKA_4_1)
    assert (await client(broker, {}).send(7, asked_by_name())).topics == ()
    assert broker.requests == []


@pytest.mark.parametrize("error_code", [100, 103])
async def test_another_topic_of_that_name_raises_doubts_and_gives_no_records(error_code: int) -> None:
    doubts: list[bool] = []
    broker = Broker(KAFKA_4_1, [answer(ONE, 0, error_code=error_code)])
    found = await client(broker, {T0: ONE}, doubts).send(7, asked_by_name())
    # aiokafka knows what to do without a topic (3), not what to do with these.
    assert [one[:2] for one in found.topics[0][1]] == [(0, 3)]
    assert doubts == [True]


async def test_what_was_positioned_anew_meanwhile_is_dropped() -> None:
    broker = Broker(KAFKA_4_1, [answer(ONE, 0, records=b"of the old topic")])
    ids = iter([str(ONE), None, None, str(OTHER)])
    made: Any = broker
    found = await ClientFetchingById(made, lambda partition: next(ids), lambda: None).send(7, asked_by_name())
    assert found.topics == [("t", [])]


async def test_an_older_kafka_is_read_by_name_and_that_is_remembered() -> None:
    broker = Broker(KAFKA_3_0)
    reading = client(broker, {T0: ONE, T1: ONE, U0: OTHER})
    request = asked_by_name()
    assert await reading.send(7, request) == "by name"
    assert broker.requests[-1] is request
    assert reading.by_name == {T0, T1, U0}


async def test_everything_else_is_passed_on() -> None:
    broker = Broker(KAFKA_4_1)
    reading = client(broker, {})
    other = MetadataRequest([])
    assert await reading.send(7, other) is None
    assert broker.requests == [other]
    assert reading.cluster == "passed on"
