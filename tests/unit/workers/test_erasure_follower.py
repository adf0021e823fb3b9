"""What a worker said of erasures outlives the state store it was said to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from streams.codec import encode
from streams.errors import ConfigurationError
from streams.messages import Erasure
from streams.settings import Settings
from streams.topic_names import TopicNames
from tests.unit.workers.fakes import NOW
from workers import erasure_follower
from workers.erased_people import ErasedPeople
from workers.erasure_follower import ErasureFollower
from workers.person_eraser import erasure_id
from workers.state.memory_store import MemoryStateStore


class Erased:
    """A record of `erasures`, as aiokafka gives it."""

    def __init__(self, user: str, at_ms: int) -> None:
        self.value = encode(Erasure(user_id=user, requested_at=NOW))
        self.timestamp = at_ms


class Holder:
    """A worker that follows erasures which a test hands in."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: MemoryStateStore) -> None:
        monkeypatch.setattr(erasure_follower, "_RENEW_S", 0.01)
        self.store = store
        self.erased = ErasedPeople()
        self.follower = ErasureFollower(
            "recommend", Settings(), TopicNames("t."), store, self.erased, lambda user, at_ms: {"memory": 7}
        )

    async def __aenter__(self) -> Holder:
        async def nothing() -> None: ...

        setattr(self.follower._follower, "start", nothing)  # noqa: B010
        await self.follower.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.follower.stop()

    def take(self, *records: Erased) -> None:
        self.follower.take(records)

    async def acknowledged(self, user: str, at_ms: int) -> dict[str, bytes]:
        name = erasure_id(self.erased.hash_of(user), at_ms)
        async with asyncio.timeout(60):
            while not (found := await self.store.acknowledgements(name)):
                await asyncio.sleep(0.01)
        return found


def lose(store: MemoryStateStore) -> None:
    store.__init__()  # type: ignore[misc]


async def test_all_is_said_again_to_a_store_that_came_back_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Holder(monkeypatch, MemoryStateStore()) as holder:
        # Said so long ago that it is not said again unasked.
        monkeypatch.setattr(erasure_follower, "_SAID_AGAIN_FOR_S", 0.0)
        holder.take(Erased("anna", 100), Erased("ben", 200))
        first = await holder.acknowledged("anna", 100)
        lose(holder.store)
        assert await holder.acknowledged("anna", 100) == first
        assert await holder.acknowledged("ben", 200)


async def test_what_a_store_lost_while_it_kept_the_holder_is_said_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Holder(monkeypatch, MemoryStateStore()) as holder:
        holder.take(Erased("anna", 100))
        await holder.acknowledged("anna", 100)
        holder.store._acknowledged.clear()
        assert await holder.acknowledged("anna", 100)


async def test_a_store_that_refuses_for_a_while_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStateStore()
    hold, acknowledge = store.hold, store.acknowledge
    refused: list[str] = []

    async def refuses(*arguments: Any) -> Any:
        if len(refused) < 4:
            refused.append(str(arguments[0]))
            raise ConfigurationError("Redis refuses the user or password")
        return await (hold if isinstance(arguments[1], float) else acknowledge)(*arguments)

    async with Holder(monkeypatch, store) as holder:
        store.hold = store.acknowledge = refuses  # type: ignore[method-assign,assignment]
        holder.take(Erased("anna", 100))
        assert await holder.acknowledged("anna", 100)


async def test_of_too_many_the_oldest_are_not_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure_follower, "MAX_SAID", 2)
    async with Holder(monkeypatch, MemoryStateStore()) as holder:
        holder.take(*(Erased("anna", at_ms) for at_ms in (100, 200, 300)))
        await holder.acknowledged("anna", 300)
        lose(holder.store)
        await holder.acknowledged("anna", 200)
        await holder.acknowledged("anna", 300)
        assert len(holder.store._acknowledged) == 2
