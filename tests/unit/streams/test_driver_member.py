from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaError, RequestTimedOutError
from aiokafka.structs import TopicPartition

from streams.driver import SourcePartition
from streams.driver.in_flight import Assignment, Batch
from streams.driver.member import ConsumerBrokenError, KafkaMember


class FakeConsumer:
    """What `KafkaMember` touches of an aiokafka consumer."""

    def __init__(self) -> None:
        self.sought: list[tuple[TopicPartition, int]] = []
        self._closed = False
        task = SimpleNamespace(done=lambda: False)
        self._fetcher = SimpleNamespace(_closed=False, error_future=task, _fetch_waiters=[])
        self._coordinator = SimpleNamespace(
            generation=3,
            check_errors=lambda: None,
            _coordination_task=task,
            _heartbeat_task=task,
            _commit_refresh_task=None,
        )
        self._client = SimpleNamespace(cluster=SimpleNamespace(leader_for_partition=lambda tp: 1))
        self._subscription = SimpleNamespace(reassignment_in_progress=False)

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("t", 0), TopicPartition("other", 0)}

    def seek(self, tp: TopicPartition, position: int) -> None:
        self.sought.append((tp, position))


def member_of(consumer: FakeConsumer, doubts: list[bool]) -> KafkaMember:
    made: Any = consumer
    return KafkaMember(made, 100, on_doubt=lambda: doubts.append(True))


def reading_by_name(consumer: FakeConsumer, doubts: list[bool]) -> KafkaMember:
    """Of a Kafka before 3.1."""
    member = member_of(consumer, doubts)
    member._fetching.by_name |= consumer.assignment()
    return member


def batch(topic: str, uuid: str) -> Batch:
    return Batch(Assignment(SourcePartition(topic, uuid, 0), 5, 9), 5, 7, [], 9)


async def test_what_was_fetched_of_a_topic_with_another_id_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A topic deleted, created again and filled beyond the old offset between two fetches."""

    async def ids(client: object, topics: set[str], *, node_id: int | None = None) -> dict[str, str]:
        assert node_id == 1
        return dict.fromkeys(topics, "new")

    monkeypatch.setattr("streams.driver.member.fetch_topic_ids", ids)
    doubts: list[bool] = []
    member = reading_by_name(FakeConsumer(), doubts)
    old, new = batch("t", "old"), batch("other", "new")
    assert await member._confirmed([old, new]) == [new]
    assert doubts == [True]
    assert await member._confirmed([new]) == [new]
    assert doubts == [True]


async def test_the_id_is_asked_once_for_what_one_answer_of_the_broker_brought(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[set[str]] = []

    async def ids(client: object, topics: set[str], *, node_id: int | None = None) -> dict[str, str]:
        asked.append(set(topics))
        return dict.fromkeys(topics, "new")

    monkeypatch.setattr("streams.driver.member.fetch_topic_ids", ids)
    member = reading_by_name(FakeConsumer(), [])
    part = batch("t", "new")
    assert await member.start_at(3, {part.assignment: 5})
    member._read[part.assignment] = first = object()
    for _ in range(3):
        assert await member._confirmed([part]) == [part]
    assert asked == [{"t"}]
    member._read[part.assignment] = object()
    assert await member._confirmed([part]) == [part]
    assert len(asked) == 2
    # Positioned anew, even what is at hand counts as never asked about.
    member._read[part.assignment] = member._known[part.assignment] = first
    assert await member.start_at(3, {part.assignment: 5})
    assert await member._confirmed([part]) == [part]
    assert len(asked) == 3


async def test_where_the_id_cannot_be_asked_for_the_records_are_fetched_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def no_answer(*args: object, **arguments: object) -> dict[str, str]:
        raise RequestTimedOutError()

    monkeypatch.setattr("streams.driver.member.fetch_topic_ids", no_answer)
    consumer = FakeConsumer()
    member = reading_by_name(consumer, [])
    fetched = batch("t", "old")
    assert await member.start_at(3, {fetched.assignment: 5})
    assert await member._confirmed([fetched]) == []
    assert consumer.sought == [(TopicPartition("t", 0), 5), (TopicPartition("t", 0), 5)]


async def test_what_kafka_read_by_id_needs_no_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(*args: object, **arguments: object) -> dict[str, str]:
        raise AssertionError("asked for an id")

    monkeypatch.setattr("streams.driver.member.fetch_topic_ids", nobody)
    member = member_of(FakeConsumer(), [])
    fetched = [batch("t", "a"), batch("other", "b")]
    assert await member._confirmed(fetched) == fetched


async def test_a_partition_has_an_id_once_it_is_positioned() -> None:
    member = member_of(FakeConsumer(), [])
    partition = TopicPartition("t", 0)
    assert member._topic_id(partition) is None
    assert await member.start_at(3, {batch("t", "old").assignment: 5})
    assert member._topic_id(partition) == "old"
    member.forget()
    assert member._topic_id(partition) is None


async def test_positions_of_an_earlier_generation_are_not_taken() -> None:
    consumer = FakeConsumer()
    member = member_of(consumer, [])
    assert not await member.start_at(2, {batch("t", "old").assignment: 5})
    consumer._subscription.reassignment_in_progress = True
    assert not await member.start_at(3, {batch("t", "old").assignment: 5})
    assert consumer.sought == []


async def test_a_dead_task_of_the_client_is_no_membership() -> None:
    consumer = FakeConsumer()
    error = KafkaError("fatal")
    consumer._coordinator._heartbeat_task = SimpleNamespace(
        done=lambda: True, cancelled=lambda: False, exception=lambda: error
    )
    with pytest.raises(ConsumerBrokenError, match="fatal"):
        await member_of(consumer, []).is_member()
