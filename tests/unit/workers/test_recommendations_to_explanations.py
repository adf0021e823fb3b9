"""The explain role: who gets words, in which order, and what becomes of the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from streams.codec import decode_value, encode
from streams.driver import SourcePartition
from streams.errors import DependencyDownError
from streams.messages import DeadLetter, Explanation, Reason, Recommendation
from streams.records import Record
from streams.settings import load_settings
from streams.topic_names import TopicNames
from streams.topics import DEAD_LETTERS, EXPLANATIONS
from tests.unit.explaining.samples import known, listed, recommendation
from tests.unit.workers.fakes import NOW, FakeDelivery, FakePublisher, now, record
from workers import recommendations_to_explanations as explainer_module
from workers.explain_metrics import ExplainMetrics
from workers.explaining.facts import ItemFacts
from workers.explaining.generator import TemplateGenerator, Written
from workers.explaining.templates import TemplateWriter
from workers.recommendations_to_explanations import Explainer

TOPICS = TopicNames("t.")
CATALOGUE = {"lamp-1": known("Reading lamp"), "lamp-2": known("Desk lamp")}
LISTED = listed("lamp-1", Reason(kind="similar_item", contribution=1.0, item_id="lamp-2", action="purchase"))


class Metrics(ExplainMetrics):
    def __init__(self) -> None:
        self.skips: list[str] = []

    def skipped(self, reason: Any) -> None:
        self.skips.append(reason)


class Held:
    """A generator that waits until it is let go; remembers for whom it wrote."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.users: list[str] = []
        self.failures: list[Exception] = []

    async def write(self, items: Sequence[ItemFacts], user_id: str) -> Written:
        self.users.append(user_id)
        await self.go.wait()
        if self.failures:
            raise self.failures.pop()
        return Written(("Because.",) * len(items), ("accepted",) * len(items), "m", grounded=False)


class Bench:
    def __init__(self, generator: Any = None, *, max_in_flight: int = 2_000, **settings: Any) -> None:
        loaded = load_settings(explain=settings, worker={"max_in_flight_records": max_in_flight})
        self.publisher = FakePublisher()
        self.metrics = Metrics()
        self.role = Explainer(
            find=CATALOGUE.get,
            generator=generator or TemplateGenerator(TemplateWriter("en", 240)),
            publisher=self.publisher,
            topics=TOPICS,
            settings=loaded,
            now=now,
            metrics=self.metrics,
        )

    async def __aenter__(self) -> Bench:
        await self.role.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.role.stop()

    async def feed(self, *records: Record) -> list[FakeDelivery]:
        deliveries = [FakeDelivery(one) for one in records]
        await self.role.process(deliveries)
        return deliveries

    async def settle(self, deliveries: Sequence[FakeDelivery]) -> None:
        async with asyncio.timeout(60):
            while not all(one.is_done for one in deliveries):
                await asyncio.sleep(0.001)

    def explanations(self) -> list[Explanation]:
        return [
            decode_value(one.value or b"", EXPLANATIONS) for one in self.publisher.on(TOPICS.explanations)
        ]

    def letters(self) -> list[DeadLetter]:
        return [
            decode_value(one.value or b"", DEAD_LETTERS) for one in self.publisher.on(TOPICS.dead_letters)
        ]


def of(made: Recommendation, **fields: Any) -> Record:
    return record(TOPICS.recommendations, encode(made), key=made.user_id.encode(), **fields)


def asking(user: str = "anna", number: int = 0, **fields: Any) -> Record:
    return of(recommendation(LISTED, user=user, number=number, explain=True), offset=number, **fields)


def silent(user: str = "anna", number: int = 0) -> Record:
    return of(recommendation(LISTED, user=user, number=number), offset=number)


async def test_a_list_that_asks_gets_words() -> None:
    async with Bench() as bench:
        await bench.settle(await bench.feed(asking()))
        (made,) = bench.explanations()
        assert (made.recommendation_id, made.user_id, made.language) == ("list-anna-0", "anna", "en")
        assert (made.generator, made.grounded, made.generated_at) == ("template@1", True, NOW)
        assert [(one.item_id, one.text) for one in made.items] == [
            ("lamp-1", "Because you bought “Desk lamp”.")
        ]
        (sent,) = bench.publisher.on(TOPICS.explanations)
        assert sent.key == b"anna"


async def test_a_list_that_does_not_ask_gets_none_and_is_done_at_once() -> None:
    async with Bench() as bench:
        deliveries = await bench.feed(silent())
        assert all(one.is_done for one in deliveries)
        assert bench.publisher.published == []


async def test_a_sample_is_the_same_each_time_and_about_its_share() -> None:
    records = [silent(f"user-{one}", one) for one in range(400)]
    async with Bench(sample_share=0.25) as bench:
        await bench.settle(await bench.feed(*records))
        chosen = [one.user_id for one in bench.explanations()]
        bench.publisher.take()
        await bench.settle(await bench.feed(*records))
        assert sorted(one.user_id for one in bench.explanations()) == sorted(chosen)
        assert 60 <= len(chosen) <= 140
    async with Bench(sample_share=1.0) as bench:
        await bench.settle(await bench.feed(*records))
        assert len(bench.explanations()) == 400


async def test_a_refused_request_gets_words_for_no_items() -> None:
    made = recommendation(complete=False, shortfall="the request is invalid", explain=True)
    async with Bench() as bench:
        await bench.settle(await bench.feed(of(made)))
        assert [one.items for one in bench.explanations()] == [[]]


async def test_only_the_first_items_of_a_long_list_get_words() -> None:
    made = recommendation(*(listed(f"i-{one}") for one in range(30)), explain=True)
    async with Bench(max_items=7) as bench:
        await bench.settle(await bench.feed(of(made)))
        assert [one.item_id for one in bench.explanations()[0].items] == [f"i-{one}" for one in range(7)]


async def test_newest_of_each_person_first_and_the_rest_is_skipped_beyond_the_bound() -> None:
    held = Held()
    async with Bench(held, concurrency=1, backlog_lists=3) as bench:
        busy = await bench.feed(asking("busy"))
        while held.users != ["busy"]:
            await asyncio.sleep(0.001)
        deliveries = await bench.feed(
            asking("anna", 1), asking("ben", 2), asking("anna", 3), asking("cleo", 4), asking("dora", 5)
        )
        # Anna's older list has no room; then Ben's, which has waited longest.
        assert [one.is_done for one in deliveries] == [True, True, False, False, False]
        assert bench.metrics.skips == ["newer_list", "no_room"]
        held.go.set()
        await bench.settle([*busy, *deliveries])
        assert held.users == ["busy", "dora", "cleo", "anna"]


async def test_what_waits_is_never_all_that_may_be_in_flight() -> None:
    async with Bench(Held(), concurrency=1, backlog_lists=1_000, max_in_flight=10) as bench:
        deliveries = await bench.feed(*(asking(f"user-{one}", one) for one in range(30)))
        assert sum(not one.is_done for one in deliveries) == 5


async def test_old_lists_and_those_that_waited_too_long_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explainer_module, "EXPIRY_CHECK_S", 0.01)
    held = Held()
    async with Bench(held, concurrency=1, max_list_age_s=60, max_wait_s=600) as bench:
        old = await bench.feed(asking("old", at=NOW - timedelta(seconds=61)))
        assert old[0].is_done
        assert bench.metrics.skips == ["too_old"]
        busy = await bench.feed(asking("busy"))
        while not held.users:
            await asyncio.sleep(0.001)
        # Only now: else the one before may wait as long, until its turn comes.
        bench.role._settings = bench.role._settings.model_copy(update={"max_wait_s": 0.05})
        await bench.settle(await bench.feed(asking("waits", 1)))
        assert bench.metrics.skips == ["too_old", "waited"]
        held.go.set()
        await bench.settle(busy)


async def test_kafka_away_loses_no_words() -> None:
    async with Bench() as bench:
        bench.publisher.failures = 2
        deliveries = await bench.feed(asking())
        assert not deliveries[0].is_done
        await bench.settle(deliveries)
        assert len(bench.explanations()) == 1


async def test_what_is_handed_in_again_is_worked_on_once() -> None:
    held = Held()
    async with Bench(held) as bench:
        deliveries = await bench.feed(asking())
        bench.publisher.failures = 1
        bad = FakeDelivery(record(TOPICS.recommendations, b"{", offset=1))
        with pytest.raises(DependencyDownError):
            await bench.role.process([*deliveries, bad])
        await bench.role.process([*deliveries, bad])
        held.go.set()
        await bench.settle([*deliveries, bad])
        assert held.users == ["anna"]
        assert len(bench.letters()) == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"not JSON", "malformed"),
        (b'{"user_id": 5}', "invalid"),
        (b'{"recommendation_id": "r", "user_id": "anna", "explain": true}', "invalid"),
        (encode(recommendation(LISTED, user="ben", explain=True)), "key_mismatch"),
        (None, "malformed"),
    ],
)
async def test_what_is_no_list_is_a_dead_letter(value: bytes | None, reason: str) -> None:
    async with Bench() as bench:
        await bench.settle(await bench.feed(record(TOPICS.recommendations, value, key=b"anna")))
        assert [(one.stage, one.reason) for one in bench.letters()] == [("explain", reason)]


async def test_a_defect_costs_one_list() -> None:
    held = Held()
    held.go.set()
    held.failures = [RuntimeError("broken")]
    async with Bench(held, concurrency=1) as bench:
        await bench.settle(await bench.feed(asking()))
        assert [one.reason for one in bench.letters()] == ["model_failed"]
        await bench.settle(await bench.feed(asking("ben", 1)))
        assert [one.user_id for one in bench.explanations()] == ["ben"]


async def test_a_partition_that_is_taken_away_leaves_nothing_behind() -> None:
    held = Held()
    async with Bench(held, concurrency=1) as bench:
        await bench.feed(asking("busy"))
        while not held.users:
            await asyncio.sleep(0.001)
        lost = await bench.feed(asking("anna", 1, partition=1))
        kept = await bench.feed(asking("ben", 2, partition=2))
        await bench.role.partitions_revoked([SourcePartition(TOPICS.recommendations, "uuid-1", 1)])
        held.go.set()
        await bench.settle(kept)
        assert held.users == ["busy", "ben"]
        assert not lost[0].is_done


async def test_stopping_leaves_what_waits_undone() -> None:
    bench = Bench(Held())
    await bench.role.start()
    deliveries = await bench.feed(asking())
    await bench.role.stop()
    assert not deliveries[0].is_done
