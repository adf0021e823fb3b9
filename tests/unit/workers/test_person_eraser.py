"""An erasure removes a person once, waits for every worker, and makes void what is older than it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from models.profile import Profile, decode_profile, encode_profile, new_profile
from streams.codec import decode_value, encode
from streams.errors import ConfigurationError
from streams.internal_messages import ProfileChanged
from streams.messages import Erasure, ErasureReceipt, Event, Removal
from streams.privacy_settings import PrivacySettings
from streams.records import Record
from streams.retention import Expiry
from streams.settings import Settings
from streams.topic_names import TopicNames
from streams.topics import PROFILES
from tests.unit.workers.fakes import NOW, FakeDelivery, FakePublisher, now, record
from workers import person_eraser
from workers.by_topic import ByTopic
from workers.erased_people import ErasedPeople, since_of
from workers.events_to_profiles import ProfileUpdater
from workers.person_eraser import PersonEraser, erasure_id
from workers.role_metrics import ProfileMetrics
from workers.state.exposures import Exposures, ShownList, encode_exposures, exposures_key, timers_name
from workers.state.memory_store import MemoryStateStore
from workers.state.profile import profile_key, stored_profile
from workers.state.store import (
    MISSING,
    VERSION_BYTES,
    NewestList,
    StateChange,
    TimerChange,
    Write,
    pack_version,
)

TOPICS = TopicNames("t.")
GONE_AT = NOW + timedelta(days=8)


def event(offset: int, at: datetime = NOW, user: str = "anna", occurred_at: datetime | None = None) -> Record:
    made = Event(
        event_id=f"e{offset}",
        user_id=user,
        item_id=f"item {offset}",
        action="click",
        occurred_at=occurred_at or at,
    )
    return record(TOPICS.events, encode(made), key=user.encode(), offset=offset, at=at)


def erasure(offset: int = 0, at: datetime = NOW, user: str = "anna") -> Record:
    value = encode(Erasure(user_id=user, requested_at=at))
    return record(TOPICS.erasures, value, key=user.encode(), offset=offset, topic_uuid="uuid-e", at=at)


class Worker:
    """A profile worker on a store that others may share."""

    def __init__(self, store: MemoryStateStore | None = None, later_events: Any = "afresh") -> None:
        self.store = store or MemoryStateStore()
        self.publisher = FakePublisher()
        self.seconds = 0.0
        settings = Settings(privacy=PrivacySettings(hash_key=SecretStr("key"), later_events=later_events))
        self.erased = ErasedPeople(settings.privacy)
        shared = {"store": self.store, "publisher": self.publisher, "topics": TOPICS, "erased": self.erased}
        self.updater = ProfileUpdater(
            **shared,  # type: ignore[arg-type]
            settings=settings,
            now=now,
            metrics=ProfileMetrics(),
            clock=lambda: self.seconds,
        )
        self.eraser = PersonEraser(
            **shared,  # type: ignore[arg-type]
            expiry=lambda until: Expiry({"t.events": GONE_AT}, ("t.odd",)),
            keeps_marks=later_events == "drop",
            counter_half_life_s=86_400.0,
            now=now,
            settled_s=0.05,
        )
        self.role = ByTopic({TOPICS.erasures: self.eraser, TOPICS.events: self.updater})

    async def feed(self, *records: Record) -> list[FakeDelivery]:
        deliveries = [FakeDelivery(one) for one in records]
        await self.role.process(deliveries)  # type: ignore[arg-type]
        return deliveries

    async def profile(self, user: str = "anna") -> Profile | None:
        (value,) = await self.store.load([profile_key(user)])
        return None if value is None else stored_profile(user, value)

    def receipts(self) -> list[ErasureReceipt]:
        return [
            decode_value(one.value or b"", ErasureReceipt)
            for one in self.publisher.on(TOPICS.erasure_receipts)
        ]

    def profiles(self) -> list[ProfileChanged | None]:
        return [
            None if one.value is None else decode_value(one.value, PROFILES)
            for one in self.publisher.on(TOPICS.profiles)
        ]


async def settle(delivery: FakeDelivery) -> None:
    async with asyncio.timeout(60):
        while not delivery.is_done:
            await asyncio.sleep(0.01)


async def test_everything_is_removed_and_the_receipt_says_so() -> None:
    worker = Worker()
    store = worker.store
    await worker.feed(event(0), event(1), event(2, user="ben"))
    shown = ShownList("r1", 0, 0, "base", None, None, ("item 1",))
    exposures = Exposures("anna", version=1, lists=(shown,), partition=3)
    await store.commit(
        "join",
        StateChange(
            writes=[Write(exposures_key("anna"), MISSING, encode_exposures(exposures))],
            timers=[TimerChange(timers_name(3), "anna", 0.0)],
        ),
    )
    await store.put_newest_lists([NewestList("anna", 2, b"list")], 60)
    ben = await worker.profile("ben")
    (delivery,) = await worker.feed(erasure())
    await settle(delivery)
    (receipt,) = worker.receipts()
    assert receipt.user == worker.erased.hash_of("anna")
    assert {one.place: one.records for one in receipt.removed} == {
        "profile in Redis": 1,
        "history entries of the profile": 2,
        "popularity of items, contributions": 2,
        "exposures and waiting events in Redis": 1,
        "newest list in Redis": 1,
        "tombstone in t.profiles": 1,
    }
    assert (receipt.expires_at, receipt.without_expiry) == ({"t.events": GONE_AT}, ["t.odd"])
    assert await worker.profile() is None
    assert await store.load([exposures_key("anna")]) == [None]
    assert await store.timers_due(timers_name(3), 1e12, 10) == []
    assert await store.newest_list("anna") is None
    assert worker.profiles()[-1] is None
    counters = (await store.counters_since(0)).counters
    assert counters["item 0"].value == pytest.approx(0.0)
    assert counters["item 2"].value > 0
    assert await worker.profile("ben") == ben


_NO_UTF_8 = (
    encode_profile(new_profile("xxxx")).replace(b"xxxx", b"\xff" * 4),
    encode_exposures(Exposures("xxxx"))[VERSION_BYTES:].replace(b"xxxx", b"\xff" * 4),
)


@pytest.mark.parametrize("states", [(b"\xc1", b"\xc1"), _NO_UTF_8], ids=["no MessagePack", "no UTF-8"])
async def test_what_cannot_be_read_is_removed_as_well(states: tuple[bytes, bytes]) -> None:
    worker = Worker()
    profile, exposures = (pack_version(1) + state for state in states)
    await worker.store.commit(
        "join",
        StateChange(
            writes=[
                Write(profile_key("anna"), MISSING, profile),
                Write(exposures_key("anna"), MISSING, exposures),
            ]
        ),
    )
    (delivery,) = await worker.feed(erasure())
    await settle(delivery)
    assert await worker.store.load([profile_key("anna"), exposures_key("anna")]) == [None, None]
    assert [since_of(one) for one in tombstones(worker)] == [round(NOW.timestamp() * 1_000)] * 2


def tombstones(worker: Worker) -> list[Record]:
    return [
        Record(one.topic, "", 0, 0, 0, one.key, one.value, one.headers)
        for one in worker.publisher.on(TOPICS.profiles)
        if one.value is None
    ]


async def test_the_receipt_waits_for_every_worker_that_holds_people() -> None:
    worker = Worker()
    await worker.feed(event(0))
    await worker.store.hold("recommend/a", 60)
    await worker.store.hold("learn/b", 60)
    (delivery,) = await worker.feed(erasure())
    name = erasure_id(worker.erased.hash_of("anna"), round(NOW.timestamp() * 1_000))
    removed = encode_removals(Removal(place="memory", records=7, role="recommend"))
    await worker.store.acknowledge("recommend/a", {name: removed})
    await asyncio.sleep(0.3)
    assert worker.receipts() == []
    assert not delivery.is_done
    await worker.store.release("learn/b")  # it died
    await settle(delivery)
    (receipt,) = worker.receipts()
    assert [(one.place, one.records) for one in receipt.removed if one.role == "recommend"] == [("memory", 7)]


async def test_a_receipt_that_is_refused_for_a_while_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(person_eraser, "SLOW_S", 0.01)
    worker = Worker()
    publish = worker.publisher.publish
    refusals = [ConfigurationError("not allowed to write to t.erasure-receipts")] * 2

    async def refuses(records: Any) -> None:
        if refusals and records[0].topic == TOPICS.erasure_receipts:
            raise refusals.pop()
        await publish(records)

    worker.publisher.publish = refuses  # type: ignore[method-assign]
    (delivery,) = await worker.feed(erasure())
    await settle(delivery)
    assert len(worker.receipts()) == 1
    assert worker.eraser._held == set()


async def test_a_worker_that_died_in_the_middle_leaves_the_receipt_to_the_next() -> None:
    first = Worker()
    await first.feed(event(0))
    await first.store.hold("recommend/a", 60)
    await first.feed(erasure())
    await first.role.stop()
    await first.store.release("recommend/a")
    second = Worker(first.store)
    (delivery,) = await second.feed(erasure())
    await settle(delivery)
    (receipt,) = second.receipts()
    assert {one.place: one.records for one in receipt.removed}["profile in Redis"] == 1


async def test_events_from_before_do_not_bring_the_person_back() -> None:
    worker = Worker()
    await worker.feed(event(0))
    (delivery,) = await worker.feed(erasure(at=NOW + timedelta(minutes=1)))
    await settle(delivery)
    other = Worker(worker.store)
    await other.feed(event(5, NOW + timedelta(seconds=30)))
    assert await other.profile() is None
    assert other.profiles() == []
    # As if a group's offsets and its fence were lost.
    await other.feed(event(0))
    assert await other.profile() is None
    # Those that an earlier worker may have published, before it died, are published over.
    await other.feed(event(0))
    assert other.profiles()[-1] is None


async def test_what_occurred_before_does_not_count_where_it_is_published_again() -> None:
    worker = Worker()
    (delivery,) = await worker.feed(erasure())
    await settle(delivery)
    await worker.feed(event(2, NOW + timedelta(minutes=2), occurred_at=NOW - timedelta(minutes=2)))
    assert await worker.profile() is None


async def test_events_from_after_start_afresh() -> None:
    worker = Worker()
    await worker.feed(event(0), event(1))
    (delivery,) = await worker.feed(erasure())
    await settle(delivery)
    await worker.feed(event(2, NOW + timedelta(minutes=2)))
    profile = await worker.profile()
    assert profile is not None
    assert (profile.version, profile.item_ids) == (1, ("item 2",))
    assert profile.since_ms == round(NOW.timestamp() * 1_000)
    changed = worker.profiles()[-1]
    assert changed is not None
    assert changed.since_ms == profile.since_ms
    assert decode_profile(changed.state) == profile
    # The same erasure once more, after a restart: what began since stays.
    again = Worker(worker.store)
    (delivery,) = await again.feed(erasure())
    await settle(delivery)
    assert await again.profile() == profile
    assert None not in again.profiles()


async def test_events_from_after_are_dropped_where_the_setting_says_so() -> None:
    worker = Worker(later_events="drop")
    await worker.feed(event(0))
    (delivery,) = await worker.feed(erasure())
    await settle(delivery)
    await worker.feed(event(2, NOW + timedelta(minutes=2)))
    assert await worker.profile() is None


async def test_a_worker_that_learns_late_changes_nothing_and_mends_what_it_published() -> None:
    slow = Worker()
    other = Worker(slow.store)
    await slow.feed(event(0, user="ben"))  # it knows the marks as of now
    publish = slow.publisher.publish

    async def meanwhile(records: Any) -> None:
        slow.publisher.publish = publish  # type: ignore[method-assign]
        await other.feed(erasure())
        slow.seconds += 5.0
        await publish(records)

    slow.publisher.publish = meanwhile  # type: ignore[method-assign]
    await slow.feed(event(1))
    assert await slow.profile() is None
    # The erasure came between its step and what it published: the last of the topic is a tombstone.
    assert [None if one is None else one.user_id for one in slow.profiles()] == ["ben", "anna", None]
    await slow.feed(event(2))
    assert await slow.profile() is None
    await other.role.stop()


async def test_what_was_quickly_published_after_the_tombstone_is_published_over() -> None:
    worker = Worker()
    await worker.feed(event(0))
    await worker.store.hold("recommend/a", 60)
    (delivery,) = await worker.feed(erasure())
    published = len(worker.profiles())
    await worker.store.release("recommend/a")
    await settle(delivery)
    assert worker.profiles()[published:] == [None]


async def test_an_erasure_that_cannot_be_read_is_a_dead_letter() -> None:
    worker = Worker()
    (delivery,) = await worker.feed(record(TOPICS.erasures, b"{", topic_uuid="uuid-e"))
    assert delivery.is_done
    assert len(worker.publisher.on(TOPICS.dead_letters)) == 1


async def test_the_mark_goes_when_nothing_is_left_to_be_void() -> None:
    for later_events, until_ms in (("afresh", round(GONE_AT.timestamp() * 1_000)), ("drop", 0)):
        worker = Worker(later_events=later_events)
        worker.eraser._expiry = lambda until: Expiry({"t.events": GONE_AT}, ())
        plan = await worker.eraser.plan([erasure()], [False])
        assert [mark.until_ms for mark in plan.marks] == [until_ms]


def test_a_header_that_is_no_time_says_nothing() -> None:
    odd = Record("t", "u", 0, 0, 0, None, None, (("freshet-since", b"soon"), ("other", b"5")))
    assert since_of(odd) == 0


def encode_removals(*removals: Removal) -> bytes:
    return msgspec.json.encode(list(removals))
