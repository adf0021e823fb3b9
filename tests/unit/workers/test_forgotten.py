"""What each role makes of what is from before an erasure, and of what comes after it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from models.profile import decode_profile, encode_profile
from streams.codec import decode_value
from streams.internal_messages import ProfileChanged
from streams.records import Record
from streams.retention import PersonalExpiry, personal_expiry
from streams.topic_admin import TopicState
from streams.topics import EVENTS, ITEMS, PROFILES, RECOMMENDATIONS
from tests.unit.workers import test_profiles_to_interactions as interactions
from tests.unit.workers import test_profiles_to_recommendations as recommending
from tests.unit.workers import test_recommendations_to_explanations as explaining
from tests.unit.workers.fakes import NOW
from tests.unit.workers.joining import Did, JoinBench, happened, shown
from workers.erased_people import ErasedPeople, since_header, since_of
from workers.profiles_to_interactions import InteractionUpdater
from workers.state.exposures import decode_exposures, exposures_key
from workers.state.store import ErasureMark, StateChange

AT_MS = round(NOW.timestamp() * 1_000)


def with_since(record: Record, since_ms: int) -> Record:
    """The record as a worker publishes it for a person who was forgotten before."""
    return msgspec.structs.replace(record, headers=since_header(since_ms))


def renewed(changed: ProfileChanged, since_ms: int) -> ProfileChanged:
    """The change as of a profile that began after an erasure."""
    state = msgspec.structs.replace(decode_profile(changed.state), since_ms=since_ms)
    return msgspec.structs.replace(changed, state=encode_profile(state), since_ms=since_ms)


# Recommend


def forgetting(bench: recommending.Bench, user: str = "anna") -> ErasedPeople:
    bench.role._erased.note(user, AT_MS)
    return bench.role._erased


async def test_a_profile_from_before_gets_no_list() -> None:
    bench = recommending.Bench()
    forgetting(bench)
    assert await bench.feed(recommending.changed(3)) == []
    (other,) = await bench.feed(recommending.changed(1, "ben"))
    assert other.user_id == "ben"


async def test_who_was_forgotten_asks_as_a_stranger() -> None:
    bench = recommending.Bench()
    await bench.remember(recommending.profile(3))
    forgetting(bench)
    (made,) = await bench.feed(recommending.asked())
    assert made.profile_version == 0
    assert len(made.items) == recommending.ITEMS
    (sent,) = bench.publisher.on(recommending.TOPICS.recommendations)
    assert since_of(as_record(sent.headers)) == AT_MS


async def test_a_list_that_was_under_way_is_not_kept_as_the_newest() -> None:
    bench = recommending.Bench()
    mark = ErasureMark(bench.role._erased.hash_of("anna"), AT_MS, 0)
    await bench.store.commit("profile", StateChange(marks=[mark]))
    await bench.feed(recommending.changed(2))
    assert await bench.store.newest_list("anna") is None


async def test_the_first_version_of_a_new_profile_gets_a_list() -> None:
    bench = recommending.Bench()
    await bench.feed(recommending.changed(3))
    forgetting(bench)
    first = recommending.changed(1)
    change = renewed(decode_value(first.value or b"", PROFILES), AT_MS)
    lists = await bench.feed(msgspec.structs.replace(first, value=msgspec.msgpack.encode(change)))
    assert [one.profile_version for one in lists] == [3, 1]
    assert bench.role.forget("anna", AT_MS) == 0  # what is known is of the new profile
    assert bench.role.forget("anna", AT_MS + 1) == 1


def as_record(headers: tuple[tuple[str, bytes], ...]) -> Record:
    return Record("t", "u", 0, 0, 0, None, None, headers)


# What is remembered across people


class Remembering(interactions.Bench):
    def __init__(self) -> None:
        super().__init__()
        self.erased = ErasedPeople()
        self.forgotten: list[str] = []
        self.updater = InteractionUpdater(
            self.built.extend,
            self.steps.append,
            replay_events=1_000,
            erased=self.erased,
            forget=self._forget,
        )

    def _forget(self, user_id: str) -> int:
        self.forgotten.append(user_id)
        return 7


def test_a_history_from_before_is_not_built_on() -> None:
    bench = Remembering()
    bench.updater.change(bench.act(interactions.applied(1)))
    bench.updater.change(bench.act(interactions.applied(2), user="ben"))
    bench.erased.note("anna", AT_MS)
    assert bench.updater.forget("anna", AT_MS) == 1
    bench.updater.change(bench.act(interactions.applied(3)))  # read once more
    bench.updater.caught_up()
    assert [person.user_id for person in bench.built] == ["ben"]
    assert bench.forgotten == []


@pytest.mark.parametrize("is_erasure_first", [True, False])
def test_a_new_life_is_taken_in_whichever_is_read_first(is_erasure_first: bool) -> None:
    bench = Remembering()
    bench.updater.caught_up()
    for number in range(3):
        bench.updater.change(bench.act(interactions.applied(number)))
    old = bench.act(interactions.applied(3))
    del bench.profiles["anna"]
    new = renewed(bench.act(interactions.applied(9)), AT_MS)
    if is_erasure_first:
        bench.erased.note("anna", AT_MS)
        assert bench.updater.forget("anna", AT_MS) == 7
        bench.updater.change(old)
        bench.updater.change(new)
    else:
        bench.updater.change(new)
        bench.erased.note("anna", AT_MS)
        assert bench.updater.forget("anna", AT_MS) == 0
        bench.updater.change(old)
    assert bench.items() == ["item-0", "item-1", "item-2", "item-9"]
    assert {*bench.forgotten} == {"anna"}


# Explain


async def test_lists_of_the_person_that_wait_get_no_words() -> None:
    held = explaining.Held()
    async with explaining.Bench(held, concurrency=1) as bench:
        deliveries = await bench.feed(explaining.asking("ben"), explaining.asking("anna", 1))
        while not held.users:
            await asyncio.sleep(0.001)
        waiting = "anna" if held.users == ["ben"] else "ben"
        bench.role._erased.note(waiting, AT_MS)
        assert bench.role.forget(waiting, AT_MS) == {"lists that wait for words": 1}
        held.go.set()
        await bench.settle(deliveries)
        assert [one.user_id for one in bench.explanations()] == held.users
        # One that is read again, and one of after.
        await bench.settle(await bench.feed(explaining.asking(waiting, 2)))
        await bench.settle(await bench.feed(with_since(explaining.asking(waiting, 3), AT_MS)))
        assert [one.user_id for one in bench.explanations()] == [*held.users[:1], waiting]
        # Whoever reads the words later than the erasure can tell of which life they are.
        assert [since_of(as_record(one.headers)) for one in bench.publisher.published] == [0, AT_MS]


async def test_words_that_were_being_written_are_not_published() -> None:
    held = explaining.Held()
    async with explaining.Bench(held) as bench:
        deliveries = await bench.feed(explaining.asking())
        while not held.users:
            await asyncio.sleep(0.001)
        bench.role._erased.note("anna", AT_MS)
        held.go.set()
        await bench.settle(deliveries)
        assert bench.explanations() == []


# Join


async def mark(bench: JoinBench) -> None:
    person = ErasedPeople().hash_of("anna")
    await bench.store.commit("profile", StateChange(marks=[ErasureMark(person, AT_MS, 0)]))


async def exposures(bench: JoinBench) -> Any:
    (value,) = await bench.store.load([exposures_key("anna")])
    return decode_exposures("anna", value)


async def test_lists_and_events_from_before_leave_nothing() -> None:
    bench = JoinBench()
    await mark(bench)
    await bench.feed(shown("l1", ["lamp"], 0), happened([Did("e1", "lamp", 5, "l1")]))
    assert await bench.store.load([exposures_key("anna")]) == [None]
    assert bench.outcomes == []
    await bench.feed(with_since(shown("l2", ["lamp"], 10, offset=1), AT_MS))
    assert [one.recommendation_id for one in (await exposures(bench)).lists] == ["l2"]
    assert (await exposures(bench)).since_ms == AT_MS


async def test_exposures_from_before_are_not_gone_on_with() -> None:
    bench = JoinBench()
    await bench.feed(shown("l1", ["lamp"], 0))
    await mark(bench)
    await bench.feed(with_since(shown("l2", ["film"], 10, offset=1), AT_MS))
    assert [one.recommendation_id for one in (await exposures(bench)).lists] == ["l2"]


# By when topics let go


def state(topic: Any, **config: str) -> TopicState:
    return TopicState(f"t.{topic.name}", topic, 1, {name.replace("_", "."): v for name, v in config.items()})


def test_expiry_follows_the_configuration() -> None:
    until = datetime(2026, 11, 25, tzinfo=UTC)
    hour = 3_600_000
    found = personal_expiry(
        [
            state(EVENTS, cleanup_policy="delete", retention_ms=str(48 * hour), segment_ms=str(hour)),
            state(RECOMMENDATIONS, cleanup_policy="delete", retention_ms="-1"),
            state(ITEMS, cleanup_policy="compact"),
            state(
                PROFILES,
                cleanup_policy="compact",
                min_compaction_lag_ms=str(12 * hour),
                max_compaction_lag_ms=str(24 * hour),
                delete_retention_ms=str(24 * hour),
            ),
        ],
        until,
    )
    slack = timedelta(minutes=10)
    assert found.expires_at == {
        "t.events": until + timedelta(hours=49) + slack,
        "t.profiles": until + timedelta(hours=72) + slack,
    }
    assert found.never == ("t.recommendations",)
    asked: list[float] = []
    seconds = [0.0]

    def read() -> list[TopicState]:
        asked.append(seconds[0])
        return [state(RECOMMENDATIONS, retention_ms="-1")]

    expiry = PersonalExpiry(read, keep_s=30, clock=lambda: seconds[0])
    for at in (0.0, 29.0, 30.0):
        seconds[0] = at
        assert expiry(until).never == ("t.recommendations",)
    assert asked == [0.0, 30.0]
    never = personal_expiry([state(PROFILES, cleanup_policy="compact")], until)
    assert never.never == ("t.profiles",)


def test_events_from_before_1970_are_past_for_those_alone_who_were_forgotten() -> None:
    erased = ErasedPeople()
    erased.note("anna", AT_MS)
    assert erased.is_past("anna", -1)
    assert not erased.is_past("ben", -1)
    assert not erased.is_past("ben", 0)
