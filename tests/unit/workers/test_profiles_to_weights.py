"""The one writer: learns from an event before taking it in, and hands over to its successor."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import pytest

from models.cascade import Interaction, Person
from models.profile import ProfileEvent, TransitionSettings, apply_events, new_profile
from models.retrieval import ItemIndex
from models.retrieval.columns import Mask
from streams.codec import decode_value
from streams.driver import SourcePartition
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topics import LEARNED
from tests.unit.workers.fakes import NOW, FakePublisher, now
from workers.learned_models import LearnedReader
from workers.profiles_to_interactions import Step
from workers.profiles_to_weights import (
    WRITER_STATE,
    LearningModels,
    WeightsWriter,
    WriterElection,
    WriterState,
)
from workers.role_metrics import LearnMetrics

TOPICS = TopicNames("t.")
NOW_MS = round(NOW.timestamp() * 1_000)


@dataclass(frozen=True)
class FakeStep:
    loss: float | None = 1.0
    fell_back: bool = False


class FakeModels:
    """A cascade and a learner in one, which note what they are told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.eligible: list[Mask] = []
        self.loaded: dict[str, bytes] = {}
        self.steps = 0

    def learn(self, person: Person, interaction: Interaction, eligible: Mask) -> FakeStep:
        self.told.append(("learn", interaction.item_id))
        self.eligible.append(eligible)
        self.steps += 1
        return FakeStep()

    def observe(self, person: Person, interaction: Interaction) -> None:
        self.told.append(("observe", interaction.item_id))

    def backfill(self, people: Sequence[Person]) -> None:
        self.told += [("backfill", person.user_id) for person in people]

    def forget(self, user_id: str) -> int:
        self.told.append(("forget", user_id))
        return 1

    def load(self, model: str, payload: bytes) -> None:
        if payload == b"broken":
            raise ValueError("broken")
        self.loaded[model] = payload

    def refit_due(self) -> bool:
        return False

    def refit(self) -> tuple[str, ...]:
        return ()

    def updates(self, *, force: bool = False) -> dict[str, bytes]:
        return {"ranker": b"weights"}

    def state(self) -> bytes:
        return str(self.steps).encode()

    def restore(self, state: bytes) -> None:
        self.steps = int(state)

    def begin_from_held(self) -> None:
        self.told.append(("begin", "from held"))


class Bench:
    def __init__(self) -> None:
        self.models = FakeModels()
        self.publisher = FakePublisher()
        self.index = ItemIndex(2)
        for item_id in ("seen", "acted", "gone", "other"):
            self.index.upsert(item_id, np.array([1.0, 0.0]), created_at_ms=0, available=item_id != "gone")
        self.writer = WeightsWriter(
            LearningModels(self.index, self.models, self.models),
            settings=Settings(),
            topics=TOPICS,
            publisher=self.publisher,
            now=now,
            metrics=LearnMetrics(),
        )

    def step(self, item_id: str, *, first: tuple[str, str] = ("seen", "click")) -> None:
        events = [
            ProfileEvent("e-1", *first, NOW_MS),
            ProfileEvent("e-2", item_id, "click", NOW_MS + 1),
        ]
        before, _ = apply_events(new_profile("anna"), events[:1], TransitionSettings())
        after, _ = apply_events(before, events[1:], TransitionSettings())
        person = replace(Person.of(before, NOW_MS + 1), now_ms=NOW_MS + 1)
        self.writer.step(Step(person, Interaction("anna", item_id, "click", 1.0, NOW_MS + 1), after))

    def eligible(self) -> set[str]:
        return {self.index.item_id(int(row)) for row in np.flatnonzero(self.models.eligible[-1])}


def test_an_event_is_learned_from_before_it_is_taken_in_and_what_was_done_was_to_be_chosen() -> None:
    bench = Bench()
    bench.step("acted")
    assert bench.models.told == [("learn", "acted"), ("observe", "acted")]
    assert bench.eligible() == {"acted", "other"}


@pytest.mark.parametrize("item_id", ["gone", "unknown", "seen"])
def test_what_could_not_have_been_listed_is_not_made_eligible(item_id: str) -> None:
    bench = Bench()
    bench.step(item_id)
    assert bench.eligible() == {"acted", "other"}


def test_what_was_only_looked_at_was_still_to_be_chosen() -> None:
    bench = Bench()
    bench.step("acted", first=("acted", "view"))
    assert bench.eligible() == {"seen", "acted", "other"}


async def test_the_successor_goes_on_where_the_writer_ended() -> None:
    bench = Bench()
    bench.step("acted")
    await bench.writer.publish({"ranker": b"weights"}, {0: 7, 3: 1})
    parts = [decode_value(one.value or b"", LEARNED) for one in bench.publisher.published]
    assert [part.model for part in parts] == ["ranker", WRITER_STATE]
    found: dict[str, bytes] = {}

    def hold(model: str, epoch: int, step: int, payload: bytes) -> None:
        found[model] = payload

    reader = LearnedReader(hold)
    for part in parts:
        reader.part(part)
    successor = Bench()
    state = successor.writer._take_over(found)
    assert state is not None
    assert state.positions == {0: 7, 3: 1}
    assert successor.models.steps == 1
    assert successor.models.loaded == {"ranker": b"weights"}


@pytest.mark.parametrize("own", [b"\xc1", msgspec.msgpack.encode(WriterState({}, b"not a number"))])
def test_what_cannot_be_read_any_more_is_begun_anew(own: bytes) -> None:
    bench = Bench()
    bench.writer._take_over({WRITER_STATE: own, "ranker": b"broken", "sequence": b"good"})
    assert bench.models.steps == 0
    assert bench.models.loaded == {"sequence": b"good"}
    assert bench.models.told == [("begin", "from held")]


async def test_whoever_has_the_partition_is_the_writer_and_a_failed_term_begins_anew() -> None:
    terms: list[str] = []
    failures = [True]

    async def term() -> None:
        terms.append("begins")
        if failures.pop() if failures else False:
            raise RuntimeError("a defect")
        try:
            await asyncio.Event().wait()
        finally:
            terms.append("ends")

    election = WriterElection(term)
    partition: Any = [SourcePartition(TOPICS.learned, "uuid", 0)]
    await election.partitions_assigned([])
    await asyncio.sleep(0)
    assert terms == []
    await election.partitions_assigned(partition)
    async with asyncio.timeout(60):
        while terms != ["begins", "begins"]:
            await asyncio.sleep(0.01)
    await election.partitions_revoked(partition)
    assert terms == ["begins", "begins", "ends"]
    await election.partitions_assigned(partition)
    async with asyncio.timeout(60):
        while terms.count("begins") < 3:
            await asyncio.sleep(0.01)
    await election.stop()
    assert terms == ["begins", "begins", "ends", "begins", "ends"]
