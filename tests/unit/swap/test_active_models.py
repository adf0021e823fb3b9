"""What a worker does with what is announced and wanted, without Kafka: what all share, and the fuse role."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from models.fusion import Fusion
from models.lifecycle import START, Activated, Announced, Bundle, Lifecycle, ModelRef, Refused, Wanted
from models.lifecycles import Lifecycles, apply_any
from streams.codec import decode_value
from streams.errors import DependencyDownError, ModelRefusedError
from streams.model_messages import RefusedModel
from streams.settings import Settings
from streams.swap_settings import ModelSettings
from streams.topic_names import TopicNames
from streams.topics import MODELS
from tests.unit.workers.fakes import FakePublisher, now
from workers import bundle_shelf, fused_spaces, model_at_start
from workers.active_models import LoadedModel, ModelParts
from workers.fused_spaces import FusedSpaces, PacedProcessor
from workers.model_at_start import active_model
from workers.model_reports import decode_reports
from workers.state.memory_store import MemoryStateStore

TOPICS = TopicNames("t.")
ONE, TWO = ModelRef("shop", "1"), ModelRef("shop", "2")


@dataclass
class NamedFusion:
    """A fusion that only has a name."""

    space: str
    dimension: int = 4

    def fuse(self, features: object) -> None: ...

    def fuse_batch(self, batch: object) -> list[None]:
        return []


class Records:
    """What `ModelsFollower` offers, fed by hand."""

    def __init__(self) -> None:
        self.all = Lifecycles()
        self._place = 0

    @property
    def lifecycle(self) -> Lifecycle:
        return self.all.fusions

    def say(self, change: Any) -> None:
        self.all = apply_any(self.all, change, self._place)
        self._place += 1


@dataclass
class Loads:
    """Loads what it is told, or raises it."""

    answers: dict[ModelRef, Exception] = field(default_factory=dict)
    loaded: list[ModelRef] = field(default_factory=list)

    async def load(self, bundle: Bundle) -> Fusion:
        self.loaded.append(bundle.ref)
        if bundle.ref in self.answers:
            raise self.answers[bundle.ref]
        return NamedFusion(bundle.space)


@dataclass
class Runner:
    """A runner that runs until it is stopped."""

    space: str
    state: str = "running"
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        await self.ended.wait()

    def stop(self) -> None:
        self.ended.set()

    def stats(self) -> Runner:
        return self


class Worker:
    """A fuse worker's part, stepped by hand; bundles come from ``loader``, or when a test says so."""

    def __init__(self, loader: Any = None) -> None:
        self.records, self.loads, self.publisher = Records(), Loads(), FakePublisher()
        self.store = MemoryStateStore()
        self.runners: list[Runner] = []
        self.anew = 0
        start = NamedFusion("first")

        def make_runner(model: LoadedModel, share: Callable[[], float]) -> Runner:
            self.runners.append(Runner(model.fusion.space))
            return self.runners[-1]

        def start_anew() -> None:
            self.anew += 1

        self.role = FusedSpaces(
            ModelParts(
                Settings(models=ModelSettings(report_s=1e-6)),
                topics=TOPICS,
                store=self.store,
                publisher=self.publisher,
                follower=self.records,  # type: ignore[arg-type]
                loader=loader or self.loads,
                start=start,
                now=now,
            ),
            main=LoadedModel(START, None, start),
            make_runner=make_runner,
            start_anew=start_anew,
        )

    async def rounds(self, count: int = 6) -> Any:
        """So many rounds; what the worker says of itself then."""
        for _ in range(count):
            await self.role.round()
            await asyncio.sleep(0)
        (report,) = decode_reports(await self.store.reports()).values()
        return report

    def running(self) -> list[str]:
        return [one.space for one in self.runners if not one.ended.is_set()]

    def refusals(self) -> list[RefusedModel]:
        return [decode_value(one.value or b"", MODELS) for one in self.publisher.on(TOPICS.models)]


def bundle(ref: ModelRef) -> Bundle:
    return Bundle(ref, f"file:///models/{ref}.tar", "a" * 64, f"space-{ref.version}", 4)


def activated(ref: ModelRef, previous: ModelRef) -> Activated:
    own = None if ref == START else bundle(ref)
    return Activated(ref, own.space if own else "first", own, previous)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_shelf, "_FETCH_AGAIN_S", 0.0)
    monkeypatch.setattr(bundle_shelf, "_SERVED_AGAIN_S", 0.0)
    monkeypatch.setattr(bundle_shelf, "_REFUSE_AGAIN_S", 0.0)
    monkeypatch.setattr(model_at_start, "FIRST_WAIT_S", 0.0)


async def test_what_is_announced_is_checked_and_nothing_is_made_of_it() -> None:
    worker = Worker()
    worker.records.say(Announced(bundle(ONE)))
    report = await worker.rounds()
    assert report.checked == ["shop@1"]
    assert (report.serving, report.ready_for) == ("settings@start", None)
    assert worker.running() == []


async def test_what_is_wanted_is_made_and_ready_once_its_consumer_runs() -> None:
    worker = Worker()
    worker.records.say(Announced(bundle(ONE)))
    worker.records.say(Wanted(ONE))
    await worker.rounds(3)
    (runner,) = worker.runners
    runner.state = "connecting"
    assert (await worker.rounds()).ready_for is None
    runner.state = "running"
    assert (await worker.rounds()).ready_for == "shop@1"
    assert worker.running() == ["space-1"]
    # The pointer moves: both spaces are kept, for a rollback.
    worker.records.say(activated(ONE, START))
    await worker.rounds()
    assert (worker.running(), worker.anew) == (["space-1"], 0)
    # A third one: while it gets ready all are kept; then the first is let go, and the role starts anew.
    worker.records.say(Announced(bundle(TWO)))
    worker.records.say(Wanted(TWO))
    await worker.rounds()
    assert (worker.running(), worker.anew) == (["space-1", "space-2"], 0)
    worker.records.say(activated(TWO, ONE))
    await worker.rounds(1)
    assert worker.anew == 1
    await worker.role.stop()
    assert worker.running() == []
    assert await worker.store.reports() == {}


async def test_one_that_is_wanted_no_more_is_given_up() -> None:
    worker = Worker()
    worker.records.say(Announced(bundle(ONE)))
    worker.records.say(Wanted(ONE))
    await worker.rounds()
    worker.records.say(Wanted(START))
    report = await worker.rounds()
    assert (worker.running(), report.ready_for) == ([], None)


async def test_a_consumer_that_ends_by_itself_is_started_again() -> None:
    worker = Worker()
    worker.records.say(Announced(bundle(ONE)))
    worker.records.say(Wanted(ONE))
    await worker.rounds()
    worker.runners[0].ended.set()
    await worker.rounds()
    assert worker.running() == ["space-1"]
    assert len(worker.runners) == 2


async def test_an_unfit_bundle_is_refused_once_and_tried_again_when_it_is_wanted_again() -> None:
    worker = Worker()
    worker.loads.answers[ONE] = ModelRefusedError("its vectors are not finite")
    worker.records.say(Announced(bundle(ONE)))
    report = await worker.rounds()
    (refusal,) = worker.refusals()
    assert (refusal.name, refusal.version, refusal.role) == ("shop", "1", "fuse")
    assert refusal.reason == "its vectors are not finite"
    assert report.checked == []
    worker.records.say(Refused(ONE, refusal.sha256, refusal.reason))
    await worker.rounds()
    assert worker.loads.loaded == [ONE]
    del worker.loads.answers[ONE]
    worker.records.say(Wanted(ONE))
    report = await worker.rounds()
    assert (report.ready_for, len(worker.refusals())) == ("shop@1", 1)


async def test_a_bundle_that_cannot_be_fetched_is_tried_three_times_and_then_refused() -> None:
    worker = Worker()
    worker.loads.answers[ONE] = DependencyDownError("the store does not answer")
    worker.records.say(Announced(bundle(ONE)))
    worker.records.say(Wanted(ONE))
    await worker.rounds(12)
    assert worker.loads.loaded == [ONE] * 3
    assert [one.reason for one in worker.refusals()] == ["the store does not answer"]


async def test_what_serves_is_not_refused_by_a_worker_that_cannot_load_it_and_tries_on() -> None:
    worker = Worker()
    worker.loads.answers[ONE] = DependencyDownError("the store does not answer")
    worker.records.say(Announced(bundle(ONE)))
    worker.records.say(activated(ONE, START))
    await worker.rounds(12)
    assert len(worker.loads.loaded) > 3
    del worker.loads.answers[ONE]
    await worker.rounds()
    assert worker.refusals() == []
    assert worker.running() == ["space-1"]


async def test_what_served_before_and_is_lost_does_not_hold_up_what_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bundle_shelf, "_SERVED_AGAIN_S", 1e6)
    worker = Worker()
    worker.loads.answers[ONE] = ModelRefusedError("it is not what was announced")
    worker.records.say(Announced(bundle(ONE)))
    worker.records.say(activated(START, ONE))
    await worker.rounds()
    assert worker.loads.loaded == [ONE], "and it is not tried again at once"
    worker.records.say(Announced(bundle(TWO)))
    worker.records.say(Wanted(TWO))
    report = await worker.rounds()
    assert (report.ready_for, worker.running()) == ("shop@2", ["space-2"])
    assert worker.refusals() == []


async def test_what_is_wanted_is_loaded_before_what_served() -> None:
    worker = Worker()
    for change in (Announced(bundle(ONE)), Announced(bundle(TWO)), activated(START, ONE), Wanted(TWO)):
        worker.records.say(change)
    await worker.rounds(2)
    assert worker.loads.loaded[0] == TWO


async def test_a_space_that_is_made_already_needs_its_bundle_no_more() -> None:
    worker = Worker()
    same = Bundle(ONE, "file:///models/shop@1.tar", "a" * 64, "first", 4)
    worker.records.say(Activated(ONE, "first", same, START))
    await worker.rounds()
    assert worker.loads.loaded == []


async def test_going_back_to_a_bundle_that_is_lost_is_refused_with_the_reason() -> None:
    worker = Worker()
    worker.loads.answers[ONE] = DependencyDownError("there is no such file")
    worker.records.say(Announced(bundle(ONE)))
    worker.records.say(activated(START, ONE))
    await worker.rounds(12)
    assert worker.refusals() == []
    worker.records.say(Wanted(ONE))
    await worker.rounds(12)
    assert [one.reason for one in worker.refusals()] == ["there is no such file"]


async def test_an_error_that_nobody_expected_is_a_reason_too() -> None:
    worker = Worker()
    worker.loads.answers[ONE] = KeyError("weights")
    worker.records.say(Announced(bundle(ONE)))
    await worker.rounds()
    (refusal,) = worker.refusals()
    assert "KeyError('weights')" in refusal.reason


async def test_a_refusal_is_published_in_the_end_and_holds_up_no_other_bundle() -> None:
    worker = Worker()
    publish, failures = worker.publisher.publish, iter(range(30))

    async def fails_at_first(records: Any) -> None:
        if next(failures, None) is not None:
            raise RuntimeError("the producer is closed")
        await publish(records)

    worker.publisher.publish = fails_at_first  # type: ignore[method-assign]
    worker.loads.answers[TWO] = ModelRefusedError("its vectors are not finite")
    worker.records.say(Announced(bundle(ONE)))
    worker.records.say(Announced(bundle(TWO)))
    report = await worker.rounds()
    assert (report.checked, worker.refusals()) == (["shop@1"], [])
    await worker.rounds(60)
    assert [one.version for one in worker.refusals()] == ["2"]


async def test_stopping_ends_a_load_in_flight_also_while_something_is_refused() -> None:
    worker = Worker()
    ended: list[str] = []

    async def never(bundle: Bundle) -> Fusion:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(str(bundle.ref))
        raise AssertionError

    worker.loads.load = never  # type: ignore[method-assign]
    worker.records.say(Announced(bundle(ONE)))
    await worker.rounds(2)
    worker.role.refuse_soon(bundle(TWO), "too few vectors")
    await worker.role.stop()
    assert ended == ["shop@1"]


async def test_what_is_ready_is_told_with_the_hash_of_its_bundle() -> None:
    worker = Worker()
    worker.records.say(Announced(bundle(ONE)))
    worker.records.say(Wanted(ONE))
    assert (await worker.rounds()).ready_sha256 == "a" * 64
    worker.records.say(Announced(replace(bundle(ONE), sha256="b" * 64)))
    assert (await worker.rounds(1)).ready_for is None, "it has not loaded that one yet"
    assert (await worker.rounds()).ready_sha256 == "b" * 64


async def test_a_worker_that_cannot_load_what_serves_starts_once_the_pointer_moves() -> None:
    records, loads = Records(), Loads({ONE: ModelRefusedError("it learned with another encoder")})
    start = NamedFusion("first")
    records.say(activated(ONE, START))
    starting = asyncio.create_task(active_model(records, loads, start))  # type: ignore[arg-type]
    while len(loads.loaded) < 3:
        await asyncio.sleep(0)
    assert not starting.done()
    records.say(activated(START, ONE))
    assert await asyncio.wait_for(starting, 60) == LoadedModel(START, None, start)


async def test_a_second_version_of_the_same_graph_needs_nothing_made() -> None:
    worker = Worker()
    same = Bundle(ONE, "file:///models/shop@1.tar", "a" * 64, "first", 4)
    worker.records.say(Announced(same))
    worker.records.say(Wanted(ONE))
    report = await worker.rounds()
    assert (report.ready_for, worker.running()) == ("shop@1", [])


async def test_a_paced_processor_rests_as_long_as_its_share_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    seconds = iter([10.0, 10.2, 20.0, 20.2])

    class Works:
        async def process(self, deliveries: object) -> None: ...

    async def rest(for_s: float) -> None:
        rests.append(for_s)

    shares = iter([0.25, 1.0])
    paced = PacedProcessor(Works(), lambda: next(shares))  # type: ignore[arg-type]
    monkeypatch.setattr(fused_spaces, "perf_counter", lambda: next(seconds))
    monkeypatch.setattr(fused_spaces.asyncio, "sleep", rest)
    await paced.process([])
    await paced.process([])
    assert rests == [pytest.approx(0.6)], "of a space that serves nothing waits"
