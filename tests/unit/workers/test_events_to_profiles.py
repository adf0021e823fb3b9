"""The profile role over the in-memory state: each effect once, whatever fails in between."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from models.profile import Profile, decode_profile
from streams.codec import decode_value, encode
from streams.driver import SourcePartition
from streams.errors import DependencyDownError
from streams.messages import Event
from streams.records import Outgoing, Record
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topics import DEAD_LETTERS, PROFILES
from tests.unit.workers.fakes import NOW, FakeDelivery, FakePublisher, now, record
from workers.events_to_profiles import ProfileUpdater
from workers.fenced import FenceStartPositions
from workers.role_metrics import ProfileMetrics
from workers.state.memory_store import MemoryStateStore
from workers.state.profile import profile_key, stored_profile
from workers.state.store import StateChange

TOPICS = TopicNames("t.")


def event(
    offset: int, user: str = "anna", *, event_id: str = "", at: datetime = NOW, **fields: object
) -> Record:
    message = Event(
        event_id=event_id or f"e{offset}",
        user_id=user,
        item_id=f"item {offset}",
        action="click",
        occurred_at=at,
        **fields,  # type: ignore[arg-type]
    )
    return record(TOPICS.events, encode(message), key=user.encode(), offset=offset)


class Bench:
    """One profile role on one state store."""

    def __init__(self, store: MemoryStateStore | None = None) -> None:
        self.store = store or MemoryStateStore()
        self.publisher = FakePublisher()
        self.seconds = 0.0
        self.role = ProfileUpdater(
            store=self.store,
            publisher=self.publisher,
            topics=TOPICS,
            settings=Settings(),
            now=now,
            metrics=ProfileMetrics(),
            clock=lambda: self.seconds,
        )

    async def feed(self, *records: Record) -> list[FakeDelivery]:
        deliveries = [FakeDelivery(one) for one in records]
        await self.role.process(deliveries)
        return deliveries

    async def profile(self, user: str = "anna") -> Profile:
        (value,) = await self.store.load([profile_key(user)])
        return stored_profile(user, value)


async def test_a_batch_becomes_one_profile_a_person() -> None:
    bench = Bench()
    deliveries = await bench.feed(event(0), event(1, "ben"), event(2))
    changes = {
        change.user_id: change
        for one in bench.publisher.on(TOPICS.profiles)
        for change in [decode_value(one.value or b"", PROFILES)]
    }
    assert {user: change.version for user, change in changes.items()} == {"anna": 2, "ben": 1}
    assert changes["anna"].cause.event_id == "e2"
    assert decode_profile(changes["anna"].state).item_ids == ("item 0", "item 2")
    assert all(one.is_done for one in deliveries)


async def test_an_import_after_a_live_event_is_not_the_cause() -> None:
    bench = Bench()
    await bench.feed(event(0), event(1, at=NOW - timedelta(days=1)))
    (changed,) = bench.publisher.on(TOPICS.profiles)
    change = decode_value(changed.value or b"", PROFILES)
    assert (change.version, change.cause.event_id) == (2, "e0")


async def test_events_delivered_again_only_publish_again() -> None:
    bench = Bench()
    await bench.feed(event(0), event(1))
    before = await bench.profile()
    bench.publisher.take()
    await bench.feed(event(0), event(1))
    assert await bench.profile() == before
    assert len(bench.publisher.on(TOPICS.profiles)) == 1
    assert (await bench.store.counters_since(0)).counters["item 0"].value == 1.0


async def test_a_crash_between_redis_and_kafka_loses_no_output() -> None:
    bench = Bench()
    bench.publisher.failures = 1
    deliveries = [FakeDelivery(event(0))]
    with pytest.raises(DependencyDownError):
        await bench.role.process(deliveries)
    assert not deliveries[0].is_done
    assert (await bench.profile()).version == 1
    restarted = Bench(bench.store)
    await restarted.feed(event(0))
    assert (await restarted.profile()).version == 1
    assert len(restarted.publisher.on(TOPICS.profiles)) == 1


async def test_a_change_carries_the_events_that_counted_and_after_a_crash_those_that_may_be_owed() -> None:
    bench = Bench()
    await bench.feed(event(0), event(1), event(0))
    bench.publisher.failures = 1
    with pytest.raises(DependencyDownError):
        await bench.role.process([FakeDelivery(event(2))])
    await bench.feed(event(2), event(3))
    changes = [decode_value(one.value or b"", PROFILES) for one in bench.publisher.on(TOPICS.profiles)]
    applied = [[(one.event_id, one.item_id, one.weight) for one in change.applied] for change in changes]
    assert applied == [
        [("e0", "item 0", 1.0), ("e1", "item 1", 1.0)],
        [("e2", "item 2", 1.0), ("e3", "item 3", 1.0)],
    ]
    assert [change.version for change in changes] == [2, 4]


async def test_a_worker_that_lost_its_partition_changes_nothing() -> None:
    bench = Bench()
    zombie = Bench(bench.store)
    await bench.feed(event(0), event(1), event(2))
    await zombie.feed(event(0), event(1))
    assert (await bench.profile()).version == 3
    assert await bench.store.fences("profile", ["uuid-1:0"]) == [3]
    (sent,) = zombie.publisher.on(TOPICS.profiles)
    assert decode_value(sent.value or b"", PROFILES).version == 3


async def test_a_conflict_in_the_middle_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    other = Bench(bench.store)
    commit = bench.store.commit
    calls = 0

    async def interrupted(role: str, change: StateChange) -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            await other.feed(event(0))
        return await commit(role, change)

    monkeypatch.setattr(bench.store, "commit", interrupted)
    await bench.feed(event(0), event(1))
    assert (await bench.profile()).version == 2
    assert (await bench.store.counters_since(0)).counters["item 0"].value == 1.0


async def test_fences_are_read_only_where_this_worker_cannot_know_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    reads: list[list[str]] = []
    fences = bench.store.fences

    async def counted(role: str, sources: list[str]) -> list[int | None]:
        reads.append(list(sources))
        return await fences(role, sources)

    monkeypatch.setattr(bench.store, "fences", counted)
    for offset in range(5):
        await bench.feed(event(offset))
    assert len(reads) == 1
    # What moves no fence is checked by nothing else.
    await bench.feed(event(4))
    assert len(reads) == 2
    # Another worker had the partition meanwhile: what it did is done.
    other = Bench(bench.store)
    await other.feed(event(5), event(6))
    reads.clear()
    await bench.feed(event(5), event(6), event(7))
    assert len(reads) == 1
    assert (await bench.profile()).version == 8


async def test_a_partition_set_back_is_noticed_beside_one_that_goes_on() -> None:
    """A batch moves one fence: the other, which it does not move, is read and not taken on trust."""
    bench = Bench()

    def other(offset: int) -> Record:
        one = event(offset, event_id=f"other-{offset}")
        return Record(one.topic, one.topic_uuid, 1, offset, one.timestamp_ms, one.key, one.value)

    await bench.feed(event(0))
    await bench.feed(other(0))
    await bench.feed(other(1))
    snapshot = MemoryStateStore()
    back = Bench(snapshot)
    await back.feed(event(0))
    await back.feed(other(0))
    bench.role.store = snapshot
    with pytest.raises(DependencyDownError, match="set back from 2 to 1"):
        await bench.feed(other(1), event(1))


@pytest.mark.parametrize("late_s", [0.5, 5.0])
async def test_a_profile_that_is_published_late_is_followed_by_the_newer_one(late_s: float) -> None:
    """Compaction keeps what comes last, and profiles are restored from that."""
    late = Bench()
    other = Bench(late.store)
    publish = late.publisher.publish

    async def meanwhile(records: Sequence[Outgoing]) -> None:
        late.publisher.publish = publish  # type: ignore[method-assign]
        moved = event(0, event_id="from another partition")
        await other.feed(
            Record(moved.topic, moved.topic_uuid, 1, 0, moved.timestamp_ms, moved.key, moved.value)
        )
        late.seconds += late_s
        await publish(records)

    late.publisher.publish = meanwhile  # type: ignore[method-assign]
    await late.feed(event(0))
    versions = [
        decode_value(one.value or b"", PROFILES).version for one in late.publisher.on(TOPICS.profiles)
    ]
    assert versions == ([1, 2] if late_s > 1 else [1])


async def test_state_set_back_to_a_snapshot_catches_up_once() -> None:
    bench = Bench()
    await bench.feed(event(0), event(1))
    snapshot = MemoryStateStore()
    await Bench(snapshot).feed(event(0))
    restored = Bench(snapshot)
    await restored.feed(event(0), event(1), event(2))
    assert (await restored.profile()).version == 3


async def test_state_set_back_before_the_first_event_of_a_partition_is_noticed() -> None:
    bench = Bench()
    await bench.feed(event(0), event(1))
    snapshot = MemoryStateStore()
    await Bench(snapshot).feed(event(0))
    restarted = Bench(bench.store)
    source = SourcePartition(TOPICS.events, "uuid-1", 0)
    starts = FenceStartPositions("profile", bench.store, restarted.role.note_fences)
    assert await starts.positions([source], {source: 2}) == {source: 2}
    restarted.role.store = snapshot
    with pytest.raises(DependencyDownError, match="set back from 2 to 1"):
        await restarted.feed(event(2))
    assert await snapshot.fences("profile", ["uuid-1:0"]) == [1]


async def test_a_topic_created_again_starts_a_fence_of_its_own() -> None:
    bench = Bench()
    await bench.feed(event(0), event(1))
    again = event(0, event_id="new")
    reborn = Record(again.topic, "uuid-2", 0, 0, again.timestamp_ms, again.key, again.value)
    await bench.feed(reborn)
    assert (await bench.profile()).version == 3
    assert await bench.store.fences("profile", ["uuid-1:0", "uuid-2:0"]) == [2, 1]


async def test_a_bad_message_is_a_dead_letter_and_stops_nothing() -> None:
    bench = Bench()
    bad = record(TOPICS.events, b"{", key=b"anna", offset=0)
    deliveries = await bench.feed(bad, event(1))
    (letter,) = bench.publisher.on(TOPICS.dead_letters)
    assert decode_value(letter.value or b"", DEAD_LETTERS).reason == "malformed"
    assert (await bench.profile()).version == 1
    assert all(one.is_done for one in deliveries)


async def test_a_key_that_is_not_the_user_is_a_dead_letter() -> None:
    bench = Bench()
    wrong = event(0)
    await bench.feed(record(TOPICS.events, wrong.value, key=b"ben"))
    (letter,) = bench.publisher.on(TOPICS.dead_letters)
    assert decode_value(letter.value or b"", DEAD_LETTERS).reason == "key_mismatch"
    assert (await bench.profile()).version == 0


async def test_an_event_from_the_future_counts_from_when_it_was_published() -> None:
    bench = Bench()
    await bench.feed(event(0, at=NOW + timedelta(days=400)))
    assert (await bench.profile()).times_array().tolist() == [round(NOW.timestamp() * 1_000)]


async def test_a_role_starts_where_something_may_still_be_owed() -> None:
    bench = Bench()
    await bench.feed(event(0), event(1), event(2))
    applied = SourcePartition(TOPICS.events, "uuid-1", 0)
    unknown = SourcePartition(TOPICS.events, "uuid-9", 0)
    starts = FenceStartPositions("profile", bench.store)
    assert await starts.positions([applied, unknown], {applied: 1, unknown: 7}) == {applied: 1, unknown: 0}
    assert await starts.positions([applied], {applied: 9}) == {applied: 3}
    assert await starts.positions([applied], {applied: None}) == {applied: 0}
    assert await starts.positions([unknown], {unknown: None}) == {}
