"""The independent model and Freshet's own profiles agree, so that a difference in a run is the run's."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from models.profile import Profile, ProfileEvent, SourcePosition, TransitionSettings, apply_events
from tests.faults.load import event, person_of
from tests.faults.profile_differences import differences
from tests.faults.reference_profiles import Reference, SourceEvent

SETTINGS = TransitionSettings()
NOW_MS = round(datetime.fromisoformat("2026-11-01T00:00:00+00:00").timestamp() * 1_000)


def records(values: list[dict[str, Any] | None]) -> list[SourceEvent]:
    return [
        SourceEvent(0, offset, NOW_MS, b"{" if value is None else json.dumps(value).encode())
        for offset, value in enumerate(values)
    ]


def applied(values: list[dict[str, Any] | None], user_id: str) -> Profile:
    events = []
    for offset, value in enumerate(values):
        if value is None or value["user_id"] != user_id:
            continue
        time_ms = round(datetime.fromisoformat(value["occurred_at"]).timestamp() * 1_000)
        events.append(
            ProfileEvent(
                value["event_id"],
                value["item_id"],
                value["action"],
                time_ms,
                value.get("value"),
                SourcePosition("12345678", 0, offset),
            )
        )
    return apply_events(Profile(user_id), events, SETTINGS)[0]


def load(count: int, person: str | None = None) -> list[dict[str, Any] | None]:
    found: list[dict[str, Any] | None] = []
    for number in range(count):
        value = event(7, number, is_import=True)
        if value is not None and person is not None:
            value["user_id"] = person
            value["item_id"] = f"rare-{number * 7_919 % 5_000}"
        if value is not None and not value["context"]:
            value["occurred_at"] = "2026-10-01T00:00:00+00:00"
        found += [value] * (2 if number % 11 == 0 else 1)
    return found


def test_people_of_the_load_agree() -> None:
    values = load(6_000)
    reference = Reference()
    reference.take(records(values))
    people = {person_of(7, number) for number in range(6_000)} & set(reference.profiles)
    assert len(people) > 100
    for person in people:
        assert differences(applied(values, person), reference.profiles[person]) == []


def test_a_person_who_has_seen_more_than_a_profile_holds_exactly_agrees() -> None:
    values = load(4_000, "collector")
    reference = Reference()
    reference.take(records(values))
    mine = reference.profiles["collector"]
    assert mine.filtered > 500
    assert mine.duplicates > 100
    assert differences(applied(values, "collector"), mine) == []


@pytest.mark.parametrize("change", ["lost", "twice"])
def test_an_effect_lost_or_applied_twice_is_seen(change: str) -> None:
    values = load(300, "somebody")
    reference = Reference()
    reference.take(records(values))
    other = [one for one in values if one is not None and one["event_id"] != "e-5"]
    if change == "twice":
        again = next(one for one in values if one is not None and one["event_id"] == "e-5")
        other = [*values, {**again, "event_id": "e-5 again"}]  # type: ignore[list-item]
    assert differences(applied(other, "somebody"), reference.profiles["somebody"]) != []
