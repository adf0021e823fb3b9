"""How the profile role is put together: when profiles are restored, what it knows of fences."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack

import pytest

from streams.driver import GapHandler, SourcePartition
from streams.errors import DependencyDownError
from streams.settings import Settings
from streams.topic_names import TopicNames
from tests.unit.workers.fakes import FakeDelivery, FakePublisher, record
from workers import composition
from workers.roles import Role
from workers.state.memory_store import MemoryStateStore
from workers.state.store import FenceMove, StateChange
from workers.wiring import erasures, profile
from workers.wiring.around import Around, Wiring

TOPICS = TopicNames("t.")


class FakeHealth:
    def watch(self, runner: object) -> None: ...


async def test_a_position_past_retention_asks_once_for_restored_profiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop = asyncio.Event()
    read: list[bool] = []
    stopped_at_once: list[bool] = []
    gap = (SourcePartition(TOPICS.events, "uuid-1", 0), 100, 5_000)

    class FindsAGap:
        def __init__(self, *_: object, on_gap: GapHandler, **__: object) -> None:
            self._on_gap = on_gap
            self._ended = asyncio.Event()

        async def run(self) -> None:
            try:
                self._on_gap(*gap)
            except DependencyDownError:
                read.append(False)
            else:
                read.append(True)
            await self._ended.wait()

        def stop(self, *, at_once: bool) -> None:
            stopped_at_once.append(at_once)
            self._ended.set()

    async def wire(*_: object) -> Wiring:
        return Wiring("profile", [TOPICS.events], None)  # type: ignore[arg-type]

    monkeypatch.setattr(composition, "RoleRunner", FindsAGap)
    monkeypatch.setattr(composition, "wire", wire)
    store, health, gaps = MemoryStateStore(), FakeHealth(), set[tuple[SourcePartition, int]]()

    def once(role: Role) -> Coroutine[None, None, bool]:
        publisher = FakePublisher()
        return composition._run_once(
            role,
            Settings(),
            TOPICS,
            store,  # type: ignore[arg-type]
            publisher,
            health,  # type: ignore[arg-type]
            stop,
            False,
            gaps,
        )

    async with asyncio.timeout(60):
        assert await once("profile")
        asyncio.get_running_loop().call_later(0.05, stop.set)
        assert not await once("profile")
    assert read == [False, True]
    # What is in hand then is of older state.
    assert stopped_at_once == [True, False]


class Wired:
    """The profile role on a store, with what was restored and asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = MemoryStateStore()
        self.restored = 0
        self.asked = 0

        async def restore(*_: object) -> None:
            self.restored += 1

        monkeypatch.setattr(profile, "restore_profiles", restore)

        async def nobody(*_: object) -> None:
            return

        monkeypatch.setattr(erasures, "restore_erasures", nobody)

    def ask(self) -> None:
        self.asked += 1

    async def wire(self, *, was_set_back: bool = False) -> Wiring:
        around = Around(
            Settings(),
            TOPICS,
            self.store,  # type: ignore[arg-type]
            FakePublisher(),
            self.ask,
            self.ask,
            was_set_back,
            AsyncExitStack(),
        )
        return await profile.wire_profile(around)

    async def apply_up_to(self, offset: int, partition: int = 0) -> None:
        move = FenceMove(f"uuid-1:{partition}", None, offset)
        assert await self.store.commit("profile", StateChange(fences=[move]))


async def test_profiles_are_restored_where_state_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    wired = Wired(monkeypatch)
    await wired.wire()
    assert wired.restored == 1
    await wired.apply_up_to(5)
    await wired.wire()
    assert wired.restored == 1
    # Another partition has a fence already; the profiles of those before are gone all the same.
    await wired.wire(was_set_back=True)
    assert wired.restored == 2


async def test_a_fence_that_is_gone_asks_for_a_start_with_restored_profiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wired = Wired(monkeypatch)
    await wired.apply_up_to(5)
    wiring = await wired.wire()
    assert wiring.start_positions is not None
    source = SourcePartition(TOPICS.events, "uuid-1", 0)
    assert await wiring.start_positions.positions([source], {source: 5}) == {source: 5}
    wired.store._fences.clear()
    with pytest.raises(DependencyDownError, match="set back from 5"):
        await wiring.processor.process([FakeDelivery(record(TOPICS.events, b"{", offset=5))])  # type: ignore[list-item]
    assert wired.asked == 1
