"""How the profile role is put together: when profiles are restored, and what it knows of fences."""

from __future__ import annotations

import pytest

from streams.driver import SourcePartition
from streams.errors import DependencyDownError
from streams.settings import Settings
from streams.topic_names import TopicNames
from tests.unit.workers.fakes import FakeDelivery, FakePublisher, record
from workers import composition
from workers.state.memory_store import MemoryStateStore
from workers.state.store import FenceMove, StateChange

TOPICS = TopicNames("t.")


class Wired:
    """The profile role on a store, with what was restored and asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = MemoryStateStore()
        self.restored = 0
        self.asked: list[bool] = []

        async def restore(*_: object) -> int:
            self.restored += 1
            return 0

        monkeypatch.setattr(composition, "restore_profiles", restore)

    async def wire(self, *, is_lost: bool = False) -> composition.Wiring:
        return await composition._wire_profile(
            Settings(),
            TOPICS,
            self.store,  # type: ignore[arg-type]
            FakePublisher(),
            self.asked.append,
            is_lost,
        )

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
    await wired.wire(is_lost=True)
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
    assert wired.asked == [True]
