"""Profiles from the compacted topic: what is not a profile is passed over, Kafka away is waited for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiokafka import ConsumerRecord

from models.profile import encode_profile, new_profile
from streams.codec import encode
from streams.errors import DependencyDownError
from streams.internal_messages import EventCause, ProfileChanged
from streams.settings import KafkaSettings, Settings
from streams.topic_names import TopicNames
from tests.unit.workers.fakes import NOW
from workers.erased_people import ErasedPeople
from workers.rebuild import _profile, restore_profiles
from workers.state.memory_store import MemoryStateStore


def changed(state: bytes) -> ProfileChanged:
    cause = EventCause(event_id="e", occurred_at=NOW, published_at=NOW)
    return ProfileChanged(user_id="anna", version=1, cause=cause, state=state)


def record(value: bytes | None) -> ConsumerRecord:
    return ConsumerRecord("profiles", 0, 7, 0, 0, b"anna", value, None, 4, 0, ())


@pytest.mark.parametrize("value", [None, b"not MessagePack", encode(changed(b"no profile"))])
def test_what_is_no_profile_is_passed_over(value: bytes | None) -> None:
    assert _profile(record(value)) is None


def test_a_profile_is_read() -> None:
    profile = new_profile("anna")
    assert _profile(record(encode(changed(encode_profile(profile))))) == profile


async def test_kafka_away_is_a_dependency_down(unused_tcp_port_factory: Callable[[], int]) -> None:
    settings = Settings(kafka=KafkaSettings(bootstrap_servers=f"127.0.0.1:{unused_tcp_port_factory()}"))
    with pytest.raises(DependencyDownError, match="Kafka failed"):
        await restore_profiles(
            MemoryStateStore(), settings, TopicNames("t."), ErasedPeople(), "profile", "t.profile"
        )
