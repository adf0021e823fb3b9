"""Who was forgotten is not shown again, in whatever order lists, profiles and tombstones are read."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import TopicPartition

from models.profile import encode_profile, new_profile
from streams.internal_messages import EventCause, ProfileChanged
from streams.messages import Cause, Explanation, Recommendation
from streams.settings import load_settings
from tests.unit.console.parts import FakeRecord, OfflineConsole, record
from workers.console import live_lists
from workers.console.hub import user_channel
from workers.console.journeys import _item_of
from workers.console.topics_tail import Tailed, TopicsTail

AT = datetime(2026, 1, 1, tzinfo=UTC)
BEFORE_MS, ERASED_MS = 1_000, 2_000


@pytest.fixture
def console() -> OfflineConsole:
    return OfflineConsole(load_settings())


def listed(since_ms: int = 0) -> Any:
    made = Recommendation(
        recommendation_id=f"since {since_ms}",
        user_id="anna",
        profile_version=3,
        cause=Cause(kind="event", id="e-1"),
        items=[],
        model="m",
        generated_at=AT,
        complete=True,
    )
    return record("anna", made, since_ms=since_ms)


def changed(version: int, since_ms: int = 0) -> Any:
    state = encode_profile(new_profile("anna", since_ms))
    cause = EventCause(event_id="e-1", published_at=AT, occurred_at=AT)
    return record(
        "anna",
        ProfileChanged(user_id="anna", version=version, cause=cause, state=state, since_ms=since_ms),
    )


def shown(console: OfflineConsole) -> str | None:
    newest = console.lists.newest("anna")
    return None if newest is None else newest["recommendation_id"]


def test_a_list_from_before_is_not_held_though_it_is_read_after_the_tombstone(
    console: OfflineConsole,
) -> None:
    console.people.take([record("anna", None, since_ms=ERASED_MS)])
    console.lists.take_lists([listed(), listed(BEFORE_MS)])
    assert shown(console) is None
    console.lists.take_lists([listed(ERASED_MS)])
    assert shown(console) == f"since {ERASED_MS}"
    console.people.take([record("anna", None)])
    console.lists.take_lists([listed()])
    assert shown(console) is None


async def test_words_from_before_are_not_shown_though_they_are_read_after_the_tombstone(
    console: OfflineConsole,
) -> None:
    def words(since_ms: int) -> Any:
        explanation = Explanation(
            recommendation_id=f"since {since_ms}",
            user_id="anna",
            items=[],
            language="en",
            generator="g",
            grounded=True,
            generated_at=AT,
        )
        return record("anna", explanation, since_ms=since_ms)

    with console.hub.subscribed([user_channel("anna")]) as subscription:
        console.people.take([record("anna", None, since_ms=ERASED_MS)])
        console.lists.take_words([words(0), words(BEFORE_MS), words(ERASED_MS)])
        messages = subscription.messages()
        async with asyncio.timeout(60):
            shown = [await anext(messages)]
            while f"since {ERASED_MS}".encode() not in shown[-1]:
                shown.append(await anext(messages))
    assert [b"words" in one for one in shown].count(True) == 1


def test_of_too_many_the_first_forgotten_is_not_remembered(
    console: OfflineConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_lists, "MAX_FORGOTTEN", 1)
    console.lists.forget("anna", ERASED_MS)
    console.lists.forget("ben", ERASED_MS)
    console.lists.take_lists([listed()])
    assert shown(console) == "since 0"


def test_a_profile_that_began_anew_is_newer_than_one_of_more_events(console: OfflineConsole) -> None:
    console.people.take([changed(7), changed(1, ERASED_MS), changed(8)])
    assert console.people.newest(5) == [{"user_id": "anna", "version": 1}]
    assert console.people.profile("anna").since_ms == ERASED_MS


@pytest.mark.parametrize("value", [b"\x81\xa7user_id\xa1\xff", b"\x81\xa1x" + b"\x91" * 5_000 + b"\xc0"])
def test_a_profile_that_cannot_be_read_costs_itself_alone(console: OfflineConsole, value: bytes) -> None:
    console.people.take([FakeRecord(b"anna", value), changed(1)])
    assert console.people.newest(5) == [{"user_id": "anna", "version": 1}]


@pytest.mark.parametrize("key", [None, b"", b'["\xff"]', b"[" * 5_000])
def test_a_key_that_cannot_be_read_names_no_item(key: bytes | None) -> None:
    assert _item_of(key) == ""


async def test_records_that_cannot_be_taken_do_not_end_the_following(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    def take(records: Any) -> None:
        taken.extend(one.offset for one in records)
        if taken == [0]:
            raise ValueError("a defect")

    class Consumer:
        async def getmany(self, **_: Any) -> Any:
            if len(taken) == 2:
                raise StopAsyncIteration
            return {TopicPartition("t", 0): [FakeRecord(None, b"", offset=len(taken))]}

        def assignment(self) -> set[TopicPartition]:
            return {TopicPartition("t", 0)}

    async def nothing(_: Any) -> None: ...

    tail = TopicsTail(load_settings(), "test", [Tailed("t", take)])
    monkeypatch.setattr(tail, "_assign", nothing)
    monkeypatch.setattr(tail, "_skip_ahead", nothing)
    with pytest.raises(StopAsyncIteration):
        await tail._read(Consumer())
    assert taken == [0, 1]
