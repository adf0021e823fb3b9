"""What the recommend role does with a space that it gets ready, without Kafka."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from models.lifecycle import START, Announced, Bundle, Wanted
from models.retrieval import ItemIndex
from streams.settings import Settings
from tests.unit.swap.test_active_models import ONE, TOPICS, Loads, NamedFusion, Records, activated, bundle
from tests.unit.workers.fakes import FakePublisher, now
from workers import listed_spaces
from workers.active_models import LoadedModel, ModelParts
from workers.listed_spaces import ListedSpace, ListedSpaces
from workers.state.memory_store import MemoryStateStore


@dataclass
class Follower:
    """Follows nothing."""

    is_stopped: bool = False

    async def start(self) -> None: ...

    async def stop(self) -> None:
        self.is_stopped = True


@dataclass
class Space:
    """A space whose items are there at once."""

    model: LoadedModel
    index: ItemIndex = field(default_factory=lambda: ItemIndex(4))
    follower: Follower = field(default_factory=Follower)
    held: dict[str, Any] = field(default_factory=dict)
    _gate: asyncio.Event = field(default_factory=asyncio.Event)

    quietly = ListedSpace.quietly

    def listen(self, listener: object) -> None: ...

    def listen_no_more(self) -> None: ...


class Worker:
    """A recommend worker's part, stepped by hand; it notes what is done to its indexes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.records, self.loads = Records(), Loads()
        self.spaces: list[Space] = []
        self.done: list[str] = []
        self.used: list[str] = []
        start = NamedFusion("first")

        def make_space(settings: object, topic: str, model: LoadedModel, **more: object) -> Space:
            self.spaces.append(Space(model))
            return self.spaces[-1]

        monkeypatch.setattr(listed_spaces, "ListedSpace", make_space)
        monkeypatch.setattr(ItemIndex, "warm_up", lambda index, names: self.done.append("warm up"))
        self.role = ListedSpaces(
            ModelParts(
                Settings(),
                topics=TOPICS,
                store=MemoryStateStore(),
                publisher=FakePublisher(),
                follower=self.records,  # type: ignore[arg-type]
                loader=self.loads,  # type: ignore[arg-type]
                start=start,
                now=now,
            ),
            space=Space(LoadedModel(START, None, start)),  # type: ignore[arg-type]
            popularity=self,  # type: ignore[arg-type]
            uses=self,  # type: ignore[arg-type]
        )

    async def add(self, index: ItemIndex) -> None:
        self.done.append("popularity")

    def keep_only(self, index: ItemIndex) -> None: ...

    def get_ready_for(self, index: ItemIndex) -> None: ...

    def give_up_others(self) -> None: ...

    def use(self, index: ItemIndex, fusion: NamedFusion) -> None:
        self.used.append(fusion.space)

    async def steps(self) -> Any:
        """Until the role is ready, or as far as it gets."""
        for _ in range(6_000):
            status = await self.role.step(self.records.lifecycle)
            if status.ready_for is not None:
                break
            await asyncio.sleep(0.01)
        return status


def other(one: Bundle) -> Bundle:
    return replace(one, sha256="b" * 64, space="space-of-others")


async def test_popularity_is_set_after_the_index_is_warmed_up_in_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = Worker(monkeypatch)
    worker.records.say(Announced(bundle(ONE)))
    worker.records.say(Wanted(ONE))
    assert (await worker.steps()).ready_for.ref == ONE
    assert worker.done == ["warm up", "popularity"]
    worker.records.say(activated(ONE, START))
    await worker.role.step(worker.records.lifecycle)
    assert worker.used == ["space-1"]


async def test_nothing_is_read_into_an_index_that_is_worked_on() -> None:
    space = Space(LoadedModel(START, None, NamedFusion("space")))  # type: ignore[arg-type]
    space._gate.set()
    open_meanwhile: list[bool] = []
    await space.quietly(lambda: open_meanwhile.append(space._gate.is_set()))
    assert (open_meanwhile, space._gate.is_set()) == ([False], True)
    with pytest.raises(ZeroDivisionError):
        await space.quietly(lambda: open_meanwhile.append(1 / 0 > 0))
    assert space._gate.is_set()


async def test_what_gets_ready_is_given_up_where_another_bundle_comes_by_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = Worker(monkeypatch)
    worker.records.say(Announced(bundle(ONE)))
    worker.records.say(Wanted(ONE))
    await worker.steps()
    worker.records.say(Announced(other(bundle(ONE))))
    status = await worker.role.step(worker.records.lifecycle)
    assert (status.ready_for, worker.spaces[0].follower.is_stopped) == (None, True)
    ready = (await worker.steps()).ready_for
    assert ready.bundle == other(bundle(ONE))
    assert [one.model.fusion.space for one in worker.spaces] == ["space-1", "space-of-others"]
    # The pointer to the first one: this worker does not switch to what it has by that name.
    worker.records.say(activated(ONE, START))
    await worker.role.step(worker.records.lifecycle)
    assert worker.used == []
    await worker.role.stop()
