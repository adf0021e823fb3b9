"""The join role: examples of what is joined with what, and what happens when something fails in between."""

from __future__ import annotations

import asyncio
import math

import msgspec
import pytest

from streams.codec import decode_value
from streams.driver import SourcePartition
from streams.errors import DependencyDownError
from streams.topics import DEAD_LETTERS
from tests.unit.workers.fakes import NOW, FakeDelivery, record
from tests.unit.workers.joining import (
    PROFILES_UUID,
    TOPICS,
    WINDOW_S,
    Did,
    JoinBench,
    at,
    happened,
    join_settings,
    shown,
)
from workers.outcome_counts import Group, shown_name
from workers.state.exposures import WAITING_EVENTS, exposures_key
from workers.state.store import CounterIncrement, StateChange


def pairs(bench: JoinBench) -> list[tuple[str, str]]:
    return [(one.recommendation_id, one.event_id) for one in bench.outcomes]


async def test_an_event_that_names_its_list_is_joined_with_it() -> None:
    bench = JoinBench()
    await bench.feed(shown("l1", ["lamp", "film"], 0, propensity=0.25, model="m", arm="bold"))
    await bench.feed(happened([Did("e1", "film", 5, "l1", action="purchase", weight=3.0)]))
    (outcome,) = bench.outcomes
    assert (outcome.recommendation_id, outcome.position, outcome.matched_by) == ("l1", 2, "recommendation_id")
    assert (outcome.model, outcome.experiment, outcome.arm) == ("m", "layout", "bold")
    assert (outcome.shown_at, outcome.occurred_at, outcome.propensity) == (at(0), at(5), 0.25)
    assert bench.publisher.on(TOPICS.outcomes)[0].key == b"anna"
    assert await bench.counts("m", "layout", "bold") == {
        "lists": 1.0,
        "items": 2.0,
        "outcomes:purchase": 1.0,
        "positive_outcomes": 1.0,
        "lists_with_positive": 1.0,
        "conversions": 1.0,
        "lists_with_conversion": 1.0,
    }


async def test_an_event_without_a_list_goes_to_the_newest_that_was_shown_before_it_and_holds_the_item() -> (
    None
):
    bench = JoinBench()
    await bench.feed(
        shown("l1", ["lamp"], 0, offset=0),
        shown("l2", ["lamp"], 10, offset=1),
        shown("l3", ["film"], 20, offset=2),
        happened([Did("e1", "lamp", 25)]),
    )
    assert bench.outcomes == []
    # Its own answer holds the item as well, but was shown after it.
    await bench.feed(shown("l4", ["lamp"], 26, offset=3))
    (outcome,) = bench.outcomes
    assert (outcome.recommendation_id, outcome.matched_by) == ("l2", "item")


async def test_an_event_that_is_read_before_its_list_waits_for_it() -> None:
    bench = JoinBench()
    await bench.feed(happened([Did("e1", "lamp", 5, "l1"), Did("e2", "film", 6)]))
    assert bench.outcomes == []
    await bench.feed(shown("l1", ["lamp", "film"], 0, offset=0))
    assert pairs(bench) == [("l1", "e1")]
    await bench.feed(shown("l2", ["film"], 7, offset=1))
    assert pairs(bench) == [("l1", "e1"), ("l1", "e2")]


async def test_a_wait_ends_where_no_newer_list_comes() -> None:
    bench = JoinBench(settings=join_settings(wait_s=10.0))
    bench.clocks.seconds = 6.0
    await bench.feed(shown("l1", ["lamp"], 0), happened([Did("e1", "lamp", 5), Did("e2", "lamp", 5, "gone")]))
    await bench.sweep(9.0)
    assert bench.outcomes == []
    await bench.sweep(2.0)
    assert pairs(bench) == [("l1", "e1")]
    assert await bench.store.timers_due("join:0", math.inf, 9) == ["anna"]
    # What is named and not there gets some time more, as clocks differ.
    await bench.sweep(6.0)
    assert pairs(bench) == [("l1", "e1")]
    assert await bench.store.timers_due("join:0", math.inf, 9) == []
    await bench.feed(shown("gone", ["lamp"], 30, offset=1))
    assert pairs(bench) == [("l1", "e1")]


async def test_lists_that_still_come_keep_an_event_waiting() -> None:
    bench = JoinBench(settings=join_settings(wait_s=10.0))
    await bench.feed(happened([Did("e1", "lamp", 5, "l9")]))
    for number in range(5):
        # Others' lists of the partition, from before the event: its own may still come.
        await bench.feed(shown(f"b{number}", ["lamp"], -100 + number, user="ben", offset=number))
        await bench.sweep(9.0)
    await bench.feed(shown("l9", ["lamp"], 1, offset=5))
    assert pairs(bench) == [("l9", "e1")]


async def test_lists_of_a_partition_that_is_behind_others_are_waited_for() -> None:
    """As where all is read again after partitions were added: old lists are in one, events in another."""
    bench = JoinBench(settings=join_settings(wait_s=10.0))
    bench.clocks.seconds = 100.0
    for partition in (0, 1):
        bench.role.waits.take(partition)
    await bench.feed(
        shown("b0", ["lamp"], -500, user="ben", offset=0, partition=0),
        shown("l9", ["film"], 95, offset=0, partition=1),
        happened([Did("e1", "lamp", 80, "l1"), Did("e2", "lamp", 80)], partition=1),
    )
    for number in range(1, 4):
        await bench.feed(shown(f"b{number}", ["lamp"], -400 + number, user="ben", offset=number, partition=0))
        await bench.sweep(9.0, partition=1)
    assert await bench.store.timers_due("join:1", math.inf, 9) == ["anna"]
    await bench.feed(shown("l1", ["lamp"], 20, offset=4, partition=0))
    assert pairs(bench) == [("l1", "e1")]
    await bench.feed(shown("b9", ["lamp"], 126, user="ben", offset=5, partition=0))
    await bench.sweep(9.0, partition=1)
    assert pairs(bench) == [("l1", "e1"), ("l1", "e2")]


async def test_lists_of_others_that_are_newer_end_a_wait() -> None:
    bench = JoinBench()
    await bench.feed(shown("l1", ["lamp"], 0, offset=0), happened([Did("e1", "lamp", 5)]))
    await bench.feed(shown("b1", ["lamp"], 9, user="ben", offset=1))
    await bench.sweep(1.5)
    assert pairs(bench) == [("l1", "e1")]


async def test_what_is_not_joined() -> None:
    bench = JoinBench()
    await bench.feed(shown("l1", ["lamp"], 0, offset=0), shown("empty", [], 1, offset=1))
    await bench.feed(
        happened(
            [
                Did("not on the list", "film", 2, "l1"),
                Did("of an empty list", "film", 2, "empty"),
                Did("before any list", "lamp", -1),
                Did("after the window", "lamp", WINDOW_S + 1),
                Did("after the window, named", "lamp", WINDOW_S + 1, "l1"),
                Did("no list has it", "film", 3),
            ]
        )
    )
    # An import of old history, with old ids and without.
    await bench.feed(
        happened(
            [
                Did("old", "lamp", 10, delay_s=2 * WINDOW_S),
                Did("old, named", "lamp", 10, "l1", delay_s=2 * WINDOW_S),
            ],
            offset=1,
        )
    )
    await bench.feed(shown("l2", ["other"], 3 * WINDOW_S, offset=2))
    assert bench.outcomes == []
    assert await bench.counts() == {"lists": 2.0, "items": 2.0}


async def test_lists_and_events_that_repeat_have_no_second_effect() -> None:
    bench = JoinBench()
    first, again = shown("l1", ["lamp"], 0, offset=0), shown("l1", ["lamp", "film"], 1, offset=1)
    await bench.feed(first, again)
    await bench.feed(happened([Did("e1", "lamp", 5, "l1"), Did("e1", "lamp", 5, "l1")], offset=0))
    await bench.feed(happened([Did("e1", "lamp", 5, "l1"), Did("e2", "lamp", 6, "l1")], offset=1, version=2))
    assert pairs(bench) == [("l1", "e1"), ("l1", "e2")]
    assert await bench.counts() == {
        "lists": 1.0,
        "items": 1.0,
        "outcomes:click": 2.0,
        "positive_outcomes": 2.0,
        "lists_with_positive": 1.0,
    }


async def test_of_a_list_and_its_repeat_the_first_in_kafka_counts_in_whatever_order_they_are_read() -> None:
    """As where partitions were added between them, and they are in two."""
    bench = JoinBench()
    await bench.feed(
        shown("l1", ["film", "lamp"], 7, offset=0, partition=1),
        happened([Did("e1", "lamp", 8, "l1", action="purchase")], offset=0, partition=1),
    )
    await bench.feed(shown("l1", ["lamp", "sofa"], 0, offset=0, partition=0, model="m", arm="bold"))
    await bench.feed(
        happened([Did("e2", "lamp", 9, "l1", action="purchase")], offset=1, partition=1),
        happened([Did("e3", "film", 9, "l1")], offset=2, partition=1),
    )
    assert [(one.event_id, one.position, one.shown_at) for one in bench.outcomes] == [
        ("e1", 2, at(7)),
        ("e2", 1, at(0)),
    ]
    counts = await bench.counts("m", "layout", "bold")
    marked = {"outcomes:purchase": 1.0, "positive_outcomes": 1.0, "conversions": 1.0}
    assert counts == marked, "the list had its first of either before"
    # Made again by somebody whose clock is an hour behind.
    again = shown("l1", ["film"], -3_600, offset=1, partition=1)
    await bench.feed(msgspec.structs.replace(again, timestamp_ms=again.timestamp_ms + 3_630_000))
    await bench.feed(happened([Did("e4", "lamp", 31, "l1")], offset=3, partition=1))
    assert bench.outcomes[-1].event_id == "e4"


async def test_a_crash_between_redis_and_kafka_publishes_the_same_outcome_again() -> None:
    bench = JoinBench()
    await bench.feed(shown("l1", ["lamp"], 0))
    before = await bench.counts()
    bench.publisher.failures = 1
    event = happened([Did("e1", "lamp", 5, "l1")])
    with pytest.raises(DependencyDownError):
        await bench.role.process([FakeDelivery(event)])
    counted = await bench.counts()
    assert counted != before
    restarted = bench.restarted()
    await restarted.feed(event)
    assert pairs(restarted) == [("l1", "e1")]
    assert await restarted.counts() == counted
    # Kafka has it now: it is not published with the person's further records.
    await restarted.feed(shown("l2", ["lamp"], 6, offset=1))
    await restarted.feed(shown("l3", ["lamp"], 7, offset=2))
    assert pairs(restarted) == [("l1", "e1")]


async def test_a_crash_at_the_end_of_a_wait_publishes_the_same_outcome_again() -> None:
    bench = JoinBench()
    await bench.feed(shown("l1", ["lamp"], 0), happened([Did("e1", "lamp", 5)]))
    bench.publisher.failures = 1
    with pytest.raises(DependencyDownError):
        await bench.sweep(60.0)
    counted = await bench.counts()
    restarted = bench.restarted()
    await restarted.sweep()
    await restarted.sweep(60.0)
    assert pairs(restarted) == [("l1", "e1")]
    assert await restarted.counts() == counted
    assert counted["outcomes:click"] == 1.0


async def test_a_worker_that_lost_its_partition_counts_nothing_twice() -> None:
    bench = JoinBench()
    zombie = bench.restarted()
    records = [shown("l1", ["lamp"], 0), happened([Did("e1", "lamp", 5, "l1")])]
    await bench.feed(*records)
    counted = await bench.counts()
    await zombie.feed(*records)
    assert await bench.counts() == counted
    assert set(pairs(bench)) == {("l1", "e1")}


async def test_another_worker_in_the_middle_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = JoinBench()
    other = bench.restarted()
    commit = bench.store.commit
    calls = 0

    async def interrupted(role: str, change: StateChange) -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            await other.feed(shown("l1", ["lamp"], 0))
        return await commit(role, change)

    monkeypatch.setattr(bench.store, "commit", interrupted)
    await bench.feed(shown("l1", ["lamp"], 0), happened([Did("e1", "lamp", 5, "l1")]))
    assert pairs(bench) == [("l1", "e1")]
    assert (await bench.counts())["lists"] == 1.0


async def test_bounds_hold() -> None:
    bench = JoinBench(settings=join_settings(lists_per_user=3))
    await bench.feed(*(shown(f"l{number}", ["lamp"], number, offset=number) for number in range(6)))
    await bench.feed(happened([Did("e1", "lamp", 20, "l2"), Did("e2", "lamp", 20, "l3")]))
    await bench.feed(shown("l9", ["film"], 30, offset=6))
    assert pairs(bench) == [("l3", "e2")]
    waits = [Did(f"w{number}", "lamp", 40, "not there") for number in range(WAITING_EVENTS + 50)]
    await bench.feed(happened(waits, offset=1))
    role = bench.restarted().role
    (value,) = await role.store.load([exposures_key("anna")])
    assert value is not None
    assert len(value) < 30_000


async def test_lists_of_one_batch_do_not_push_out_one_another_before_their_events_are_joined() -> None:
    bench = JoinBench(settings=join_settings(lists_per_user=2))
    first = [shown("l0", ["lamp"], 0, offset=0), shown("l1", ["film"], 1, offset=1)]
    events = happened([Did("e0", "lamp", 2, "l0"), Did("e1", "lamp", 2)])
    later = [shown(f"l{number}", ["film"], 10 + number, offset=number) for number in range(2, 9)]
    await bench.feed(*first, events, *later)
    assert pairs(bench) == [("l0", "e0"), ("l0", "e1")]


async def test_a_person_who_is_forgotten_leaves_nothing() -> None:
    bench = JoinBench()
    await bench.feed(shown("l1", ["lamp"], 0), happened([Did("e1", "lamp", 5, "other")]))
    forget = record(TOPICS.profiles, None, key=b"anna", offset=1, topic_uuid=PROFILES_UUID)
    await bench.feed(forget)
    assert await bench.store.load([exposures_key("anna")]) == [None]
    assert await bench.store.timers_due("join:0", math.inf, 9) == []
    await bench.feed(shown("l2", ["lamp"], 10, offset=1), happened([Did("e2", "lamp", 12, "l2")], offset=2))
    assert pairs(bench) == [("l2", "e2")]


async def test_a_record_that_cannot_be_read_is_a_dead_letter_and_stops_nothing() -> None:
    bench = JoinBench()
    bad_list = record(TOPICS.recommendations, b"{", key=b"anna", offset=0, topic_uuid="lists")
    bad_event = record(TOPICS.profiles, b"\xc1", key=b"anna", offset=0, topic_uuid=PROFILES_UUID)
    other_key = shown("l1", ["lamp"], 0, offset=1)
    wrong = record(TOPICS.recommendations, other_key.value, key=b"ben", offset=1, topic_uuid="lists")
    deliveries = await bench.feed(bad_list, bad_event, wrong, shown("l2", ["lamp"], 1, offset=2))
    letters = [
        decode_value(one.value or b"", DEAD_LETTERS) for one in bench.publisher.on(TOPICS.dead_letters)
    ]
    assert [letter.reason for letter in letters] == ["malformed", "malformed", "key_mismatch"]
    assert all(one.is_done for one in deliveries)
    assert (await bench.counts())["lists"] == 1.0


async def test_coverage_and_novelty_are_of_the_items_shown() -> None:
    bench = JoinBench()
    # Of 6 interactions `lamp` has 3; with one more for each of three items, and one for those unknown.
    adds = [
        CounterIncrement(item_id, weight, NOW.timestamp())
        for item_id, weight in (("lamp", 3.0), ("film", 3.0))
    ]
    await bench.store.commit("profile", StateChange(increments=adds))
    await bench.role.popularity.refresh()
    await bench.feed(shown("l1", ["lamp", "new"], 0, offset=0), shown("l2", ["lamp"], 1, offset=1))
    day = NOW.date()
    tally = await bench.store.tally(f"outcomes:{day.isoformat()}")
    bits = next(amount for field, amount in tally.items() if "novelty" in field)
    assert bits == pytest.approx(2 * -math.log2(4 / 9) - math.log2(1 / 9))
    assert await bench.store.distinct_counts([shown_name(day, Group("base", "", ""))]) == [2]
    assert bench.metrics.groups_of(day) == [Group("base", "", "")]


async def test_actions_that_the_settings_do_not_name_count_together() -> None:
    bench = JoinBench()
    await bench.feed(shown("l1", ["lamp"], 0))
    await bench.feed(
        happened([Did("e1", "lamp", 5, "l1", action=name, weight=0.0) for name in ("invented",)]),
        happened([Did("e2", "lamp", 6, "l1", action="also-invented", weight=0.0)], offset=1),
    )
    assert (await bench.counts())["outcomes:other"] == 2.0
    assert "lists_with_positive" not in await bench.counts()


async def test_waits_are_looked_after_by_whoever_has_the_partition() -> None:
    bench = JoinBench()
    lists = SourcePartition(TOPICS.recommendations, "lists", 0)
    await bench.feed(happened([Did("e1", "lamp", 5)]))
    bench.clocks.seconds = 60.0
    await bench.role.waits.sweep()
    assert await bench.store.timers_due("join:0", math.inf, 9) == ["anna"]
    await bench.role.partitions_assigned([lists, SourcePartition(TOPICS.profiles, "profiles", 1)])
    bench.clocks.seconds = 120.0
    await bench.role.waits.sweep()
    assert await bench.store.timers_due("join:0", math.inf, 9) == []
    await bench.role.partitions_revoked([lists])
    assert bench.role.waits._last_list_s == {}


async def test_the_background_task_ends_waits_by_itself() -> None:
    bench = JoinBench()
    await bench.feed(shown("l1", ["lamp"], 0), happened([Did("e1", "lamp", 5)]))
    bench.role.waits.take(0)
    bench.clocks.seconds = 60.0
    await bench.role.start()
    async with asyncio.timeout(60):
        while not bench.outcomes:
            await asyncio.sleep(0.01)
    await bench.role.stop()
    assert pairs(bench) == [("l1", "e1")]
