"""Lists that a language model puts in order, in the recommend role: for whom, and at nobody else's cost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from models.profile import Profile
from tests.unit.workers.fakes import NOW, FakeDelivery
from tests.unit.workers.test_profiles_to_recommendations import Bench, SlowQueries, asked, changed, ids
from workers import backoff
from workers.language_model.transport import NoAnswerError
from workers.list_makers import MadeList


class Reversing:
    """Turns lists round, once it is let."""

    def __init__(self, *, is_let: bool = True, error: Exception | None = None) -> None:
        self.error = error
        self.is_own: list[bool] = []
        self.let = asyncio.Event()
        self.within_s: list[float] = []
        if is_let:
            self.let.set()

    async def refine(
        self, profile: Profile, made: MadeList, within_s: float, *, is_own: bool = True
    ) -> MadeList:
        self.within_s.append(within_s)
        self.is_own.append(is_own)
        if self.error is not None:
            raise self.error
        await self.let.wait()
        turned = replace(made.result, items=tuple(reversed(made.result.items)))
        return replace(made, result=turned, model="turned")


async def test_a_request_that_asks_for_it_gets_the_models_order() -> None:
    bench = Bench(refiner=Reversing())
    plain, refined = await bench.feed(asked(request_id="a"), asked(request_id="b", refine=True))
    assert ids(refined) == list(reversed(ids(plain)))
    assert (plain.model, refined.model) == ("test", "turned")


async def test_events_and_other_requests_are_never_refined() -> None:
    refiner = Reversing()
    await Bench(refiner=refiner).feed(changed(2), asked())
    assert refiner.within_s == []


async def test_where_nothing_refines_asking_for_it_changes_no_byte() -> None:
    refining, plain = Bench(), Bench()
    await refining.feed(asked(refine=True))
    await plain.feed(asked())
    assert refining.publisher.published == plain.publisher.published


async def test_a_list_that_waits_for_the_model_holds_up_nobody() -> None:
    refiner = Reversing(is_let=False)
    bench = Bench(refiner=refiner)
    waiting = FakeDelivery(asked(request_id="slow", refine=True))
    await bench.role.process([waiting])
    assert [one.cause.id for one in await bench.feed(asked(request_id="quick"), changed(2))] == [
        "e1",
        "quick",
    ]
    assert not waiting.is_done
    refiner.let.set()
    while not waiting.is_done:
        await asyncio.sleep(0.001)
    assert [one.cause.id for one in bench.lists()][-1] == "slow"


@pytest.mark.parametrize(("left_s", "within_s"), [(1.0, [0.5]), (0.08, [0.03]), (0.05, []), (0.01, [])])
async def test_before_a_deadline_time_is_left_to_send_the_list(left_s: float, within_s: list[float]) -> None:
    refiner = Reversing()
    bench = Bench(refiner=refiner)
    later = (NOW + timedelta(seconds=left_s)).isoformat()
    (sent,) = await bench.feed(asked(refine=True, deadline=later))
    assert refiner.within_s == pytest.approx(within_s)
    assert sent.items


async def test_a_list_is_refined_once_however_often_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT_S", 0.001)
    refiner = Reversing()
    bench = Bench(refiner=refiner)
    bench.publisher.failures = 3
    (sent,) = await bench.feed(asked(refine=True))
    assert sent.model == "turned"
    assert len(refiner.within_s) == 1


@pytest.mark.parametrize("error", [RuntimeError("a defect"), NoAnswerError("failed", "no")])
async def test_what_fails_to_refine_leaves_the_list_as_it_was_made(error: Exception) -> None:
    refining, plain = Bench(refiner=Reversing(error=error)), Bench()
    await refining.feed(asked(refine=True))
    await plain.feed(asked())
    assert refining.publisher.published == plain.publisher.published


async def test_it_is_told_which_lists_are_for_something_else_than_the_persons_choices() -> None:
    refiner, queries = Reversing(), SlowQueries()
    queries.let.set()
    await Bench(queries, refiner).feed(
        asked(refine=True),
        asked(refine=True, request_id="seeds", seed_items=["item-1"]),
        asked(refine=True, request_id="words", query="item-2"),
    )
    assert sorted(refiner.is_own) == [False, False, True]


async def test_stopping_leaves_what_waits_for_the_model_to_be_delivered_again() -> None:
    bench = Bench(refiner=Reversing(is_let=False))
    waiting = FakeDelivery(asked(refine=True))
    await bench.role.process([waiting])
    await asyncio.sleep(0.01)
    await bench.role.stop()
    assert not waiting.is_done
    assert bench.lists() == []
