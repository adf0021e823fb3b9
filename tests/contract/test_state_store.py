"""One suite over every implementation of the state store."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from streams.settings import RedisSettings
from workers.state.memory_store import MemoryStateStore
from workers.state.redis_store import RedisStateStore
from workers.state.store import (
    MISSING,
    Counter,
    CounterIncrement,
    DistinctAddition,
    ErasureMark,
    FenceMove,
    NewestList,
    StateChange,
    StateStore,
    TallyIncrement,
    TimerChange,
    Write,
    pack_version,
)

DAY_S = 86_400.0
MAX_COUNTERS = 200


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[StateStore]:
    if request.param == "memory":
        made: StateStore = MemoryStateStore(max_counters=MAX_COUNTERS)
    else:
        server = request.getfixturevalue("redis_server")
        prefix = f"t{uuid.uuid4().hex}."
        made = RedisStateStore(RedisSettings(url=SecretStr(server.url)), prefix, max_counters=MAX_COUNTERS)
    yield made
    await made.aclose()


def value(version: int, body: bytes = b"body") -> bytes:
    return pack_version(version) + body


async def test_a_commit_moves_fence_value_and_counter_together(store: StateStore) -> None:
    change = StateChange(
        fences=[FenceMove("uuid:0", None, 5)],
        writes=[Write("profile:a", MISSING, value(1))],
        increments=[CounterIncrement("film", 2.0, 1_000.0)],
    )
    assert await store.commit("profile", change)
    assert await store.fences("profile", ["uuid:0", "uuid:1"]) == [5, None]
    assert await store.load(["profile:a", "profile:b"]) == [value(1), None]
    assert (await store.counters_since(0)).counters == {"film": Counter(2.0, 1_000.0)}


async def test_a_fence_that_moved_meanwhile_stops_everything(store: StateStore) -> None:
    await store.commit("profile", StateChange(fences=[FenceMove("uuid:0", None, 5)]))
    stale = StateChange(
        fences=[FenceMove("uuid:0", None, 7)],
        writes=[Write("profile:a", MISSING, value(1))],
        increments=[CounterIncrement("film", 2.0, 1_000.0)],
    )
    assert not await store.commit("profile", stale)
    assert await store.fences("profile", ["uuid:0"]) == [5]
    assert await store.load(["profile:a"]) == [None]
    assert (await store.counters_since(0)).counters == {}


async def test_a_value_of_another_version_stops_everything(store: StateStore) -> None:
    await store.commit("profile", StateChange(writes=[Write("profile:a", MISSING, value(1))]))
    for expected in (MISSING, pack_version(2)):
        stale = StateChange(
            fences=[FenceMove("uuid:0", None, 7)], writes=[Write("profile:a", expected, value(3))]
        )
        assert not await store.commit("profile", stale)
    assert await store.fences("profile", ["uuid:0"]) == [None]
    replace = StateChange(writes=[Write("profile:a", pack_version(1), value(2, b"next"))])
    assert await store.commit("profile", replace)
    assert await store.load(["profile:a"]) == [value(2, b"next")]


async def test_roles_have_fences_of_their_own(store: StateStore) -> None:
    await store.commit("profile", StateChange(fences=[FenceMove("uuid:0", None, 5)]))
    assert await store.fences("fuse", ["uuid:0"]) == [None]
    assert await store.has_fences("profile")
    assert not await store.has_fences("fuse")


async def test_a_deleted_value_is_missing(store: StateStore) -> None:
    await store.commit("fuse", StateChange(writes=[Write("item:a", MISSING, value(1))]))
    assert await store.commit("fuse", StateChange(writes=[Write("item:a", pack_version(1), None)]))
    assert await store.load(["item:a"]) == [None]


async def test_binary_ids_and_values_survive(store: StateStore) -> None:
    body = bytes(range(256)) * 40
    change = StateChange(
        fences=[FenceMove("uuid:0", None, 2**53)],
        writes=[Write("item:ü\n\x00🎬", MISSING, value(2**40, body))],
        increments=[CounterIncrement("ü\n🎬", 1.0, 0.5)],
    )
    assert await store.commit("fuse", change)
    assert await store.load(["item:ü\n\x00🎬"]) == [value(2**40, body)]
    assert (await store.counters_since(0)).counters == {"ü\n🎬": Counter(1.0, 0.5)}
    assert await store.fences("fuse", ["uuid:0"]) == [2**53]


async def test_counters_decay_by_the_time_of_the_event_not_of_its_arrival(store: StateStore) -> None:
    early = CounterIncrement("film", 1.0, 0.0)
    late = CounterIncrement("film", 1.0, DAY_S)
    for name, order in {"film": [early, late], "mirror": [late, early]}.items():
        for add in order:
            change = StateChange(
                increments=[CounterIncrement(name, add.weight, add.at_s)], counter_half_life_s=DAY_S
            )
            await store.commit("profile", change)
    counters = (await store.counters_since(0)).counters
    assert counters["film"] == counters["mirror"] == Counter(1.5, DAY_S)


async def test_counters_since_gives_only_what_changed(store: StateStore) -> None:
    await store.commit("profile", StateChange(increments=[CounterIncrement("old", 1.0, 0.0)]))
    first = await store.counters_since(0)
    await store.commit("profile", StateChange(increments=[CounterIncrement("new", 1.0, 0.0)]))
    second = await store.counters_since(first.cursor)
    assert "new" in second.counters
    await store.forget_counters(["old", "new"])
    assert (await store.counters_since(0)).counters == {}


async def test_counters_of_items_that_nobody_knows_are_bounded(store: StateStore) -> None:
    for first in range(0, 500, 50):
        adds = [CounterIncrement(f"junk-{number}", 1.0, 0.0) for number in range(first, first + 50)]
        await store.commit("profile", StateChange(increments=adds))
    counters = (await store.counters_since(0)).counters
    assert len(counters) == MAX_COUNTERS
    assert "junk-499" in counters
    assert "junk-0" not in counters


def everything(version: int, fence: int | None, expected: bytes) -> StateChange:
    """A change of each kind, as one step."""
    return StateChange(
        fences=[FenceMove("uuid:0", fence, version)],
        writes=[Write("exposures:a", expected, value(version), 60), Write("exposures:b", MISSING, None)],
        tallies=[
            TallyIncrement("day-1", "lists", 1, 60),
            TallyIncrement("day-1", "bits", 0.25, 60),
            TallyIncrement("day-2", "lists", 3, 60),
            TallyIncrement("day-1", "lists", 2, 60),
        ],
        distinct=[DistinctAddition("day-1", ["lamp", "film", "lamp"], 60)],
        timers=[TimerChange("join:0", "anna", 5.5), TimerChange("join:1", "ben", 4.0)],
    )


async def test_tallies_distinct_members_and_timers_move_with_the_fence(store: StateStore) -> None:
    assert await store.commit("join", everything(1, None, MISSING))
    assert await store.tally("day-1") == {"lists": 3.0, "bits": 0.25}
    assert await store.tally("day-2") == {"lists": 3.0}
    assert await store.tally("day-3") == {}
    assert await store.distinct_counts(["day-1", "day-2"]) == [2, 0]
    assert await store.timers_due("join:0", 6.0, 10) == ["anna"]
    assert await store.commit("join", everything(2, 1, pack_version(1)))
    assert await store.tally("day-1") == {"lists": 6.0, "bits": 0.5}
    assert await store.distinct_counts(["day-1"]) == [2]
    assert await store.load(["exposures:a"]) == [value(2)]


async def test_what_is_not_as_expected_leaves_tallies_and_timers_alone(store: StateStore) -> None:
    await store.commit("join", everything(1, None, MISSING))
    stale_fence, stale_value = everything(2, None, pack_version(1)), everything(2, 1, MISSING)
    assert not await store.commit("join", stale_fence)
    assert not await store.commit("join", stale_value)
    assert await store.tally("day-1") == {"lists": 3.0, "bits": 0.25}
    assert await store.fences("join", ["uuid:0"]) == [1]
    assert await store.load(["exposures:a"]) == [value(1)]


async def test_timers_are_due_in_order_until_moved_or_removed(store: StateStore) -> None:
    set_all = [TimerChange("join:0", member, due) for member, due in (("c", 3.0), ("ä", 1.0), ("b", 2.0))]
    await store.commit("join", StateChange(timers=set_all))
    assert await store.timers_due("join:0", 2.5, 10) == ["ä", "b"]
    assert await store.timers_due("join:0", 9.0, 1) == ["ä"]
    moved = [
        TimerChange("join:0", "ä", None),
        TimerChange("join:0", "b", 8.0),
        TimerChange("join:0", "x", None),
    ]
    await store.commit("join", StateChange(timers=moved))
    assert await store.timers_due("join:0", 2.5, 10) == []
    assert await store.timers_due("join:0", 9.0, 10) == ["c", "b"]
    assert await store.timers_due("join:1", 9.0, 10) == []


async def test_many_distinct_members_are_counted_within_two_percent(store: StateStore) -> None:
    members = [f"item-{number}" for number in range(12_000)]
    await store.commit("join", StateChange(distinct=[DistinctAddition("day", members, 60)]))
    (count,) = await store.distinct_counts(["day"])
    # The standard error of Redis' HyperLogLog is 0.81 %.
    assert count == pytest.approx(len(members), rel=0.025)


async def test_tallies_and_distinct_members_expire(redis_server: object) -> None:
    from redis.asyncio import Redis

    url: str = redis_server.url  # type: ignore[attr-defined]
    prefix = f"t{uuid.uuid4().hex}."
    store, admin = RedisStateStore(RedisSettings(url=SecretStr(url)), prefix), Redis.from_url(url)
    await store.commit("join", everything(1, None, MISSING))
    for key in ("tally:day-1", "tally:day-2", "distinct:day-1", "exposures:a"):
        assert 0 < await admin.ttl(prefix + key) <= 60
    await store.aclose()
    await admin.aclose()


async def test_a_topic_created_again_is_a_new_generation(store: StateStore) -> None:
    first = await store.generation("items", "first")
    second = await store.generation("items", "second")
    third = await store.generation("items", "third")
    assert first < second < third
    assert await store.generation("items", "first") == first
    assert await store.generation("items", "third") == third


async def test_a_redis_that_has_lost_its_state_begins_higher_generations(redis_server: object) -> None:
    url: str = redis_server.url  # type: ignore[attr-defined]
    prefix = f"t{uuid.uuid4().hex}."
    store = RedisStateStore(RedisSettings(url=SecretStr(url)), prefix)
    lives = [await store.generation("items", name) for name in ("first", "second", "third")]
    await asyncio.sleep(lives[-1] - lives[0])
    await store._redis.delete(f"{prefix}topic-lives:items")
    assert await store.generation("items", "third") >= lives[-1]
    await store.aclose()


async def test_an_older_list_does_not_replace_a_newer_one(store: StateStore) -> None:
    assert await store.newest_list("anna") is None
    await store.put_newest_lists([NewestList("anna", 4, b"four"), NewestList("ben", 1, b"one")], 60)
    await store.put_newest_lists([NewestList("anna", 3, b"three"), NewestList("ben", 1, b"one again")], 60)
    assert await store.newest_list("anna") == b"four"
    assert await store.newest_list("ben") == b"one again"


async def test_what_is_taken_back_leaves_nothing_below_zero(store: StateStore) -> None:
    adds = [CounterIncrement("film", 2.0, 0.0), CounterIncrement("film", 1.0, DAY_S)]
    await store.commit("profile", StateChange(increments=adds, counter_half_life_s=DAY_S))
    back = [CounterIncrement("film", -2.0, 0.0), CounterIncrement("stranger", -3.0, 0.0)]
    await store.commit("profile", StateChange(increments=back, counter_half_life_s=DAY_S))
    counters = (await store.counters_since(0)).counters
    assert counters["film"].value == pytest.approx(1.0)
    assert counters["stranger"].value == 0.0
    await store.commit(
        "profile", StateChange(increments=[CounterIncrement("film", -9.0, DAY_S)], counter_half_life_s=DAY_S)
    )
    assert (await store.counters_since(0)).counters["film"].value == 0.0


async def test_a_plan_that_knows_an_older_erasure_changes_nothing(store: StateStore) -> None:
    version = await store.marks_version()
    assert await store.commit("profile", StateChange(marks_version=version, deletes=["none"]))
    mark = ErasureMark("5f1d", 1_700_000_000_123, 0)
    assert await store.commit("profile", StateChange(marks_version=version, marks=[mark]))
    stale = StateChange(marks_version=version, writes=[Write("profile:a", MISSING, value(1))])
    assert not await store.commit("profile", stale)
    assert await store.load(["profile:a"]) == [None]
    newer, marks = await store.marks()
    assert newer not in (b"", version)
    assert marks == {"5f1d": 1_700_000_000_123}
    fresh = StateChange(marks_version=newer, writes=[Write("profile:a", MISSING, value(1))])
    assert await store.commit("profile", fresh)
    # An older erasure of the same person is no news.
    assert await store.commit("restore", StateChange(marks=[ErasureMark("5f1d", 5, 0)]))
    assert await store.marks() == (newer, marks)


async def test_a_list_from_before_an_erasure_is_not_kept(store: StateStore) -> None:
    await store.put_newest_lists([NewestList("anna", 4, b"old", "5f1d")], 60)
    await store.commit("profile", StateChange(marks=[ErasureMark("5f1d", 100, 0)], deletes=["list:anna"]))
    assert await store.newest_list("anna") is None
    await store.put_newest_lists(
        [NewestList("anna", 9, b"late", "5f1d"), NewestList("ben", 1, b"b", "77")], 60
    )
    assert await store.newest_list("anna") is None
    assert await store.newest_list("ben") == b"b"
    await store.put_newest_lists([NewestList("anna", 1, b"new", "5f1d", since_ms=100)], 60)
    assert await store.newest_list("anna") == b"new"


async def test_holders_and_what_they_forgot(store: StateStore) -> None:
    await store.hold("recommend/a", 60)
    await store.hold("learn/b", 60)
    await store.release("learn/b")
    assert await store.holders() == {"recommend/a"}
    await store.acknowledge("recommend/a", {"5f1d:100": b"[]", "5f1d:300": b"[1]"})
    assert await store.acknowledgements("5f1d:100") == {"recommend/a": b"[]"}
    assert await store.acknowledgements("5f1d:200") == {}
    assert await store.acknowledgements("5f1d:300") == {"recommend/a": b"[1]"}


async def test_reports_of_live_workers(store: StateStore) -> None:
    await store.report("fuse/a", b"old", 60)
    await store.report("fuse/a", b"new", 60)
    await store.report("recommend/b", b"ready", 60)
    assert await store.reports() == {"fuse/a": b"new", "recommend/b": b"ready"}
    await store.end_report("fuse/a")
    assert await store.reports() == {"recommend/b": b"ready"}


async def test_a_worker_that_is_silent_is_live_no_more(redis_server) -> None:
    store = RedisStateStore(RedisSettings(url=SecretStr(redis_server.url)), f"t{uuid.uuid4().hex}.")
    try:
        await store.report("fuse/a", b"gone", -5)
        await store.report("fuse/b", b"here", 60)
        assert await store.reports() == {"fuse/b": b"here"}
    finally:
        await store.aclose()


async def test_a_holder_is_told_whether_it_was_there_without_a_gap(store: StateStore) -> None:
    assert not await store.hold("recommend/a", 60)
    assert await store.hold("recommend/a", 60)
    await store.release("recommend/a")
    assert not await store.hold("recommend/a", 60)


async def test_a_holder_whose_time_was_over_had_a_gap(redis_server) -> None:
    store = RedisStateStore(RedisSettings(url=SecretStr(redis_server.url)), f"t{uuid.uuid4().hex}.")
    try:
        await store.hold("recommend/a", -5)
        assert not await store.hold("recommend/a", 60)
    finally:
        await store.aclose()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    adds=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 30 * DAY_S)), min_size=1, max_size=8),
    data=st.data(),
)
async def test_counters_do_not_depend_on_order(
    store: StateStore, adds: list[tuple[float, float]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(adds))
    names = [f"a{uuid.uuid4().hex}", f"b{uuid.uuid4().hex}"]
    for name, order in zip(names, (adds, shuffled), strict=True):
        change = StateChange(increments=[CounterIncrement(name, weight, at_s) for weight, at_s in order])
        await store.commit("profile", change)
    counters = (await store.counters_since(0)).counters
    first, second = counters[names[0]], counters[names[1]]
    assert first.at_s == second.at_s
    assert first.value == pytest.approx(second.value, abs=1e-9)
