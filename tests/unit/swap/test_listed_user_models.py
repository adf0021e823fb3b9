"""What a recommend worker does with user models that are announced and wanted, without Kafka."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from models.lifecycle import START, Activated, Announced, Bundle, ModelRef, Refused, Wanted
from models.lifecycles import OfUserModels, Start
from models.user import UserModel
from streams.codec import decode_value
from streams.errors import DependencyDownError, ModelRefusedError
from streams.model_messages import ActiveUserModel, RefusedModel
from streams.settings import Settings
from streams.swap_settings import ModelSettings
from streams.topics import MODELS
from tests.unit.swap.test_active_models import TOPICS, NamedFusion, Records, activated, bundle
from tests.unit.workers.fakes import FakePublisher, now
from workers import bundle_shelf, listed_user_models
from workers.active_models import ModelParts
from workers.listed_user_models import ListedUserModels
from workers.model_reports import ModelReport, decode_reports, encode_report
from workers.models_topic import all_taken
from workers.state.memory_store import MemoryStateStore

ONE, TWO = ModelRef("taste", "1"), ModelRef("taste", "2")
SHOP = ModelRef("shop", "1")
SHOPS_SPACE = "space-1"


@dataclass(frozen=True)
class Taste:
    """A user model that only has a name."""

    name: str


@dataclass
class Loads:
    """Loads what it is told, or raises it."""

    answers: dict[ModelRef, Exception] = field(default_factory=dict)
    opened: asyncio.Event | None = None

    async def load(self, one: Bundle) -> Any:
        if self.opened is not None:
            await self.opened.wait()
        if one.ref in self.answers:
            raise self.answers[one.ref]
        return Taste(str(one.ref))


class AtStart:
    """What the settings name: a model of the first space, or none."""

    def __init__(self, space: str | None) -> None:
        self.space = space

    def held(self, space: str) -> Any:
        return Taste("settings") if space == self.space else None


class Worker:
    """Stepped by hand; it reads back what it publishes."""

    def __init__(self, *, settings_space: str | None = None, store: MemoryStateStore | None = None) -> None:
        self.records, self.loads, self.publisher = Records(), Loads(), FakePublisher()
        self.store = store or MemoryStateStore()
        self.space = "first"
        self.lists_with: list[UserModel | None] = []
        start = NamedFusion("first")
        parts = ModelParts(
            Settings(models=ModelSettings(report_s=1e-6)),
            topics=TOPICS,
            store=self.store,
            publisher=self.publisher,
            follower=self.records,  # type: ignore[arg-type]
            loader=None,  # type: ignore[arg-type]
            start=start,
            now=now,
        )
        self.role = ListedUserModels(
            parts,
            self.loads,  # type: ignore[arg-type]
            at_start=AtStart(settings_space),  # type: ignore[arg-type]
            start=Start("first", 4, settings_space),
        )
        self.role.follow = lambda: self.lists_with.append(self.role.of(self.space))
        self._read = 0

    def say(self, *changes: Any) -> None:
        for change in changes:
            self.records.say(change)

    async def rounds(self, count: int = 6, *, hears: bool = True) -> ModelReport:
        for _ in range(count):
            await self.role.round()
            await asyncio.sleep(0)
            written = self.publisher.on(TOPICS.models)
            for record in written[self._read :] if hears else []:
                place = 1_000 + self._read
                self.records.all = all_taken(self.records.all, record.key, record.value, place)
                self._read += 1
        reports = decode_reports(await self.store.reports())
        return reports[self.role.worker]

    def written(self, kind: type[Any]) -> list[Any]:
        found = [decode_value(one.value or b"", MODELS) for one in self.publisher.on(TOPICS.models)]
        return [one for one in found if isinstance(one, kind)]

    @property
    def uses(self) -> str | None:
        """What the next list is made with."""
        model: Any = self.lists_with[-1]
        return None if model is None else model.name


def taste(ref: ModelRef, space: str = "first") -> Bundle:
    return Bundle(ref, f"file:///models/{ref}.tar", ref.version * 64, space, 4)


def announced(ref: ModelRef, space: str = "first") -> OfUserModels:
    return OfUserModels(space, Announced(taste(ref, space)))


def wanted(ref: ModelRef, space: str = "first") -> OfUserModels:
    return OfUserModels(space, Wanted(ref))


def serves(ref: ModelRef, space: str = "first", previous: ModelRef = START) -> OfUserModels:
    return OfUserModels(space, Activated(ref, space, taste(ref, space), previous))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FETCH_AGAIN_S", "_SERVED_AGAIN_S", "_REFUSE_AGAIN_S"):
        monkeypatch.setattr(bundle_shelf, name, 0.0)


async def test_what_is_announced_is_checked_and_lists_are_as_they_were() -> None:
    worker = Worker()
    worker.say(announced(ONE))
    report = await worker.rounds()
    assert (report.role, report.checked, report.ready) == ("user_model", ["taste@1"], {})
    assert (worker.uses, worker.written(ActiveUserModel)) == (None, [])


async def test_what_is_wanted_is_loaded_the_pointer_moves_and_lists_follow_it() -> None:
    worker = Worker()
    worker.say(announced(ONE), wanted(ONE))
    report = await worker.rounds()
    assert report.ready == {"taste@1": "1" * 64}
    (pointer,) = worker.written(ActiveUserModel)
    assert (pointer.space, pointer.dimension, pointer.sha256, pointer.previous) == (
        "first",
        4,
        "1" * 64,
        "settings@start",
    )
    assert worker.uses == "taste@1"
    # And back, to the settings, which name none.
    worker.say(wanted(START))
    await worker.rounds()
    assert worker.uses is None


async def test_no_list_uses_it_before_the_pointer_has_moved() -> None:
    worker = Worker()
    worker.say(announced(ONE), wanted(ONE))
    await worker.rounds(hears=False)
    assert {*worker.lists_with} == {None}
    assert len(worker.written(ActiveUserModel)) == 1, "and it is not said over and over"


async def test_the_pointer_waits_for_another_worker_and_only_one_moves_it() -> None:
    store = MemoryStateStore()
    worker, other = Worker(store=store), Worker(store=store)
    worker.say(announced(ONE), wanted(ONE))
    await other.rounds(1)
    await worker.rounds()
    assert worker.uses is None
    other.say(announced(ONE), wanted(ONE))
    await other.rounds(hears=False)
    await worker.rounds(hears=False)
    assert len(worker.written(ActiveUserModel)) + len(other.written(ActiveUserModel)) == 1


async def test_workers_of_an_older_release_are_not_waited_for() -> None:
    worker = Worker()
    old = ModelReport(role="recommend", serving="settings@start", space="first")
    await worker.store.report("recommend/old", encode_report(old), 60.0)
    worker.say(announced(ONE), wanted(ONE))
    await worker.rounds()
    assert worker.uses == "taste@1"


async def test_an_unfit_one_is_refused_with_the_reason_and_the_old_one_serves_on() -> None:
    worker = Worker()
    worker.say(announced(ONE), serves(ONE), announced(TWO), wanted(TWO))
    worker.loads.answers[TWO] = ModelRefusedError("it is not finite")
    await worker.rounds()
    (refusal,) = worker.written(RefusedModel)
    assert (refusal.name, refusal.version, refusal.role) == ("taste", "2", "user_model")
    assert refusal.reason == "it is not finite"
    assert worker.uses == "taste@1"
    assert worker.records.all.users_of("first").phase(TWO) == "refused"


async def test_a_worker_that_cannot_load_what_serves_goes_on_with_what_it_had_and_tries_on() -> None:
    worker = Worker()
    worker.say(announced(ONE), serves(ONE))
    await worker.rounds()
    worker.loads.answers[TWO] = DependencyDownError("the store does not answer")
    worker.say(announced(TWO), serves(TWO, previous=ONE))
    report = await worker.rounds(12)
    assert (worker.uses, worker.written(RefusedModel)) == ("taste@1", [])
    assert report.serving == "settings@start", "so that `list` can tell"
    del worker.loads.answers[TWO]
    assert (await worker.rounds()).serving == "taste@2"
    assert worker.uses == "taste@2"


async def test_a_worker_that_starts_later_takes_what_serves() -> None:
    worker = Worker(settings_space="first")
    worker.say(announced(ONE), serves(ONE))
    await worker.role.load_active("first")
    assert worker.role.of("first") == Taste("taste@1")
    alone = Worker(settings_space="first")
    await alone.role.load_active("first")
    assert alone.role.of("first") == Taste("settings")


async def test_a_worker_that_starts_and_cannot_have_it_makes_lists_without() -> None:
    worker = Worker()
    worker.say(announced(ONE), serves(ONE))
    worker.loads.answers[ONE] = DependencyDownError("the store does not answer")
    await worker.role.load_active("first")
    assert worker.role.of("first") is None


async def test_a_store_that_hangs_does_not_hold_up_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed_user_models, "_START_WAIT_S", 0.01)
    worker = Worker()
    worker.say(announced(ONE), serves(ONE))
    worker.loads.opened = asyncio.Event()
    await worker.role.load_active("first")
    assert worker.role.of("first") is None
    worker.loads.opened.set()
    await worker.rounds()
    assert worker.role.of("first") == Taste("taste@1"), "it came later"


async def test_at_a_swap_of_the_fusion_the_user_model_of_the_new_space_is_there_already() -> None:
    worker = Worker()
    worker.say(announced(ONE), serves(ONE))
    worker.say(Announced(bundle(SHOP)), announced(TWO, SHOPS_SPACE), Wanted(SHOP))
    await worker.rounds()
    assert worker.uses == "taste@1", "lists are of the old space"
    (pointer,) = worker.written(ActiveUserModel)
    assert (pointer.space, pointer.version) == (SHOPS_SPACE, "2")
    assert worker.role.of(SHOPS_SPACE) == Taste("taste@2"), "what the switch will take"
    worker.say(activated(SHOP, START))
    worker.space = SHOPS_SPACE
    await worker.rounds()
    assert worker.uses == "taste@2"
    # And back: what served there is in memory.
    worker.say(activated(START, SHOP))
    worker.space = "first"
    await worker.rounds(1)
    assert worker.uses == "taste@1"


async def test_a_refusal_leaves_the_next_newest_to_take_over() -> None:
    worker = Worker()
    worker.say(Announced(bundle(SHOP)), announced(ONE, SHOPS_SPACE), announced(TWO, SHOPS_SPACE))
    worker.say(Refused(TWO, "2" * 64, "it is not finite"), Wanted(SHOP))
    await worker.rounds()
    assert [one.version for one in worker.written(ActiveUserModel)] == ["1"]


async def test_stopping_counts_as_live_no_more() -> None:
    worker = Worker()
    await worker.role.start()
    await asyncio.sleep(0)
    await worker.role.stop()
    assert await worker.store.reports() == {}
