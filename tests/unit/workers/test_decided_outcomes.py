"""What published outcomes tell of a join whose state is gone, and that it stays with them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codec import encode
from tests.unit.workers.fakes import NOW
from tests.unit.workers.joining import Did, JoinBench, happened, join_settings, shown
from workers.decided_outcomes import SLACK_MS, DecidedOutcomes
from workers.lists_to_outcomes import OutcomeJoiner
from workers.outcome_logs import LoggedOutcome, read_outcome
from workers.state.exposures import CountedOutcome
from workers.state.memory_store import MemoryStateStore

NOW_MS = round(NOW.timestamp() * 1_000)
SHOWN_AT = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
CONVERSIONS = frozenset({"purchase"})


def logged(
    event_id: str, recommendation_id: str, action: str = "click", weight: float = 1.0, model: str = "base"
) -> LoggedOutcome:
    return LoggedOutcome(recommendation_id, event_id, "lamp", action, weight, SHOWN_AT, model)


async def known(*outcomes: LoggedOutcome, max_outcomes: int = 1_000) -> DecidedOutcomes:
    made = DecidedOutcomes(lambda since_ms: outcomes, CONVERSIONS, max_outcomes)
    await made.cover(NOW_MS)
    return made


async def test_an_outcome_tells_as_what_it_counted() -> None:
    made = await known(
        logged("e1", "l1"),
        logged("e2", "l1", "purchase"),
        logged("e3", "l1", weight=-1.0),
        logged("e4", "l2", model="m"),
    )
    day = SHOWN_AT.date()
    counted = [made.find(event_id).counted for event_id in ("e1", "e2", "e3", "e4")]  # type: ignore[union-attr]
    assert counted == [
        CountedOutcome(day, "base", "", "", "click", True, True, False),
        CountedOutcome(day, "base", "", "", "purchase", True, False, True),
        CountedOutcome(day, "base", "", "", "click", False, False, False),
        CountedOutcome(day, "m", "", "", "click", True, True, False),
    ]
    assert made.find("e5") is None
    assert (made.marks("l1"), made.marks("l2"), made.marks("l3")) == (
        (True, True),
        (True, False),
        (False, False),
    )


async def test_of_an_event_with_two_lists_the_first_counts() -> None:
    made = await known(logged("e1", "l1"), logged("e2", "l2"), logged("e1", "l2"))
    first, second = made.find("e1"), made.find("e2")
    assert first is not None
    assert second is not None
    assert first.list_hash != second.list_hash
    assert first.counted.is_first_positive
    assert second.counted.is_first_positive


async def test_the_newest_are_known_where_there_are_too_many() -> None:
    made = await known(*(logged(f"e{number}", f"l{number}") for number in range(25)), max_outcomes=10)
    assert [number for number in range(25) if made.find(f"e{number}")] == list(range(15, 25))


async def test_it_reads_again_only_for_an_older_time() -> None:
    asked: list[int] = []

    def published(since_ms: int) -> Iterator[LoggedOutcome]:
        asked.append(since_ms)
        return iter(())

    made = DecidedOutcomes(published, CONVERSIONS)
    for time_ms in (NOW_MS, NOW_MS + 60_000, NOW_MS - 60_000, NOW_MS - SLACK_MS - 1):
        await made.cover(time_ms)
    assert asked == [NOW_MS - SLACK_MS, NOW_MS - 2 * SLACK_MS - 1]


def without_state(bench: JoinBench) -> JoinBench:
    """Redis came back empty; Kafka has what was published."""
    anew = replace(bench, store=MemoryStateStore())
    published = [read_outcome(encode(one)) for one in bench.outcomes]
    anew.role = OutcomeJoiner(
        store=anew.store,
        publisher=anew.publisher,
        topics=anew.role._topics,
        settings=anew.settings,
        now=anew.clocks.now,
        metrics=anew.metrics,
        clock=anew.clocks.steady,
        published=lambda since_ms: published,
    )
    return anew


LISTS = [
    shown("l1", ["lamp"], 0, offset=0),
    shown("l2", ["lamp"], 10, offset=1),
    shown("l3", ["film"], 30, offset=2),
]
EVENT = happened([Did("e1", "lamp", 5, action="purchase")])


async def test_an_event_stays_with_its_list_when_lists_are_read_long_before_it() -> None:
    bench = JoinBench(settings=join_settings(lists_per_user=1))
    await bench.feed(LISTS[0], EVENT, *LISTS[1:])
    anew = without_state(bench)
    # By then its list is not kept any more.
    await anew.feed(*LISTS, EVENT)
    assert [one.recommendation_id for one in anew.outcomes] == ["l1"]
    assert await anew.counts() == await bench.counts()


async def test_an_event_stays_with_its_list_when_it_is_read_long_before_lists() -> None:
    bench = JoinBench()
    await bench.feed(LISTS[0], EVENT, *LISTS[1:])
    before = await bench.counts()
    anew = without_state(bench)
    for one in (EVENT, *LISTS):
        await anew.feed(one)
    assert [one.recommendation_id for one in anew.outcomes] == ["l1"]
    assert await anew.counts() == before
    # What comes now on that list is not the first of it.
    await anew.feed(happened([Did("e2", "lamp", 40, "l1", action="purchase")], offset=1))
    assert [one.event_id for one in anew.outcomes] == ["e1", "e2"]
    assert (await anew.counts())["lists_with_conversion"] == before["lists_with_conversion"] == 1.0


async def test_what_was_not_joined_yet_is_joined_when_all_is_read_again() -> None:
    bench = JoinBench()
    lists = [shown("l1", ["lamp"], 0, offset=0), shown("l2", ["film"], 9, offset=1)]
    events = [happened([Did("e1", "lamp", 5, "l1")]), happened([Did("e2", "lamp", 6)], offset=1)]
    await bench.feed(lists[0], *events)
    assert [one.event_id for one in bench.outcomes] == ["e1"]
    anew = without_state(bench)
    await anew.feed(*lists, *events)
    assert [one.event_id for one in anew.outcomes] == ["e1", "e2"]
    assert (await anew.counts())["outcomes:click"] == 2.0


@pytest.mark.parametrize("at", [0, 1, 2])
async def test_an_event_that_waits_in_state_that_was_set_back_is_not_joined_again(at: int) -> None:
    bench = JoinBench()
    event = happened([Did("e1", "lamp", 5)])
    lists = [
        shown("l1", ["lamp"], 0, offset=0),
        shown("l2", ["lamp"], 4, offset=1),
        shown("l3", ["film"], 9, offset=2),
    ]
    older = JoinBench()
    await older.feed(event, *lists[:at])
    await bench.feed(event, *lists)
    (outcome,) = bench.outcomes
    anew = without_state(bench)
    anew.role.store = anew.role.waits._store = anew.store = older.store
    await anew.feed(event, *lists)
    assert [one.recommendation_id for one in anew.outcomes] == [outcome.recommendation_id]
    assert (await anew.counts())["outcomes:click"] == 1.0


@given(st.permutations(range(6)))
async def test_in_whatever_order_all_is_read_again_outcomes_and_counts_stay(order: list[int]) -> None:
    lists = [
        shown(f"l{number}", ["lamp", "film"][: 1 + number % 2], 10.0 * number, offset=number)
        for number in range(3)
    ]
    events = [
        happened(
            [Did(f"e{number}", "lamp", 10.0 * number + 5, action=["click", "purchase"][number % 2])],
            offset=number,
        )
        for number in range(3)
    ]
    last = shown("last", ["boots"], 100, offset=3)
    bench = JoinBench()
    for one in itertools.chain(*zip(lists, events, strict=True)):
        await bench.feed(one)
    await bench.feed(last)
    anew = without_state(bench)
    records = [*lists, *events]
    wanted = [records[number] for number in order]
    # Each topic keeps its order.
    topics = {one.topic: iter([two for two in records if two.topic == one.topic]) for one in records}
    for one in wanted:
        await anew.feed(next(topics[one.topic]))
    await anew.feed(last)
    assert {(one.event_id, one.recommendation_id) for one in anew.outcomes} == {
        (one.event_id, one.recommendation_id) for one in bench.outcomes
    }
    assert await anew.counts() == await bench.counts()
