"""Lists that a language model puts in order, in the recommend role: for whom, and at nobody else's cost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from models.profile import Profile
from tests.unit.workers.fakes import NOW, FakeDelivery
from tests.unit.workers.test_profiles_to_recommendations import Bench, asked, changed, ids
from workers.list_makers import MadeList


class Reversing:
    """Turns lists round, once it is let."""

    def __init__(self, *, is_let: bool = True) -> None:
        self.let = asyncio.Event()
        self.within_s: list[float] = []
        if is_let:
            self.let.set()

    async def refine(self, profile: Profile, made: MadeList, within_s: float) -> MadeList:
        self.within_s.append(within_s)
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


async def test_a_deadline_bounds_how_long_the_model_may_take() -> None:
    refiner = Reversing()
    later = (NOW + timedelta(seconds=0.25)).isoformat()
    await Bench(refiner=refiner).feed(asked(refine=True, deadline=later))
    assert 0 < refiner.within_s[0] <= 0.25


async def test_stopping_leaves_what_waits_for_the_model_to_be_delivered_again() -> None:
    bench = Bench(refiner=Reversing(is_let=False))
    waiting = FakeDelivery(asked(refine=True))
    await bench.role.process([waiting])
    await asyncio.sleep(0.01)
    await bench.role.stop()
    assert not waiting.is_done
    assert bench.lists() == []
