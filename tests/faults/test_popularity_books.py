"""Popularity is compared event by event; after Redis was emptied, with what histories held."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.popularity_books import HALF_LIFE_S, popularity
from tests.faults.reference_profiles import HISTORY, Reference, SourceEvent

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
AT_S = (BEGIN + timedelta(days=1)).timestamp()
EVENTS = HISTORY + 100
# What the person did until Redis was emptied.
BEFORE = HISTORY + 50


def reference(events: int = EVENTS) -> Reference:
    found = Reference()
    for number in range(events):
        value = {
            "event_id": f"e-{number}",
            "user_id": "anna",
            "item_id": f"item-{number % 3}",
            "action": "like",
            "occurred_at": (BEGIN + timedelta(seconds=number)).isoformat(),
        }
        found.take([SourceEvent(0, number, 2_000_000_000_000, json.dumps(value).encode())])
    return found


def counted(numbers: list[int]) -> dict[bytes, bytes]:
    """Redis's counters where these events are counted, each as often as it is named."""
    sums = dict.fromkeys(range(3), 0.0)
    for number in numbers:
        then_s = (BEGIN + timedelta(seconds=number)).timestamp()
        sums[number % 3] += 2.0 * 2 ** ((then_s - AT_S) / HALF_LIFE_S)
    return {f"item-{item}".encode(): struct.pack(">dd", weight, AT_S) for item, weight in sums.items()}


ALL = list(range(EVENTS))
RESTORED = ALL[BEFORE - HISTORY :]


def test_all_events_are_counted_once() -> None:
    for was_emptied in (False, True):
        assert popularity(reference(), counted(ALL), was_emptied=was_emptied).holds


def test_after_redis_was_emptied_what_histories_did_not_hold_may_be_missing() -> None:
    check = popularity(reference(), counted(RESTORED), was_emptied=True)
    assert check.holds
    assert check.figures["equal_to_all_events"] == 0
    assert not popularity(reference(), counted(RESTORED), was_emptied=False).holds


@pytest.mark.parametrize("numbers", [ALL[EVENTS - HISTORY + 1 :], [*ALL, 7]])
def test_what_a_history_holds_may_not_be_missing_and_nothing_may_be_counted_twice(
    numbers: list[int],
) -> None:
    check = popularity(reference(), counted(numbers), was_emptied=True)
    assert (check.holds, check.figures["wrong"]) == (False, 1)


def test_a_counter_that_is_not_there_is_missed_where_a_history_holds_the_item() -> None:
    assert popularity(reference(), {}, was_emptied=True).figures["wrong"] == 3
