"""What is new in changed profiles: each event once, with the person as they were before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from models.cascade import Person
from models.profile import (
    Profile,
    ProfileEvent,
    TransitionSettings,
    apply_events,
    encode_profile,
    new_profile,
)
from streams.codec import encode
from streams.internal_messages import AppliedEvent, EventCause, ProfileChanged
from tests.unit.workers.fakes import NOW
from workers import profiles_to_interactions
from workers.newest_profiles import NewestProfiles
from workers.profiles_to_interactions import InteractionUpdater, Step

SETTINGS = TransitionSettings(history_items=10)


def applied(number: int, action: str = "click") -> AppliedEvent:
    return AppliedEvent(
        event_id=f"e{number}",
        item_id=f"item-{number}",
        action=action,
        weight=SETTINGS.weight_of(action, None),
        occurred_at=NOW + timedelta(seconds=number),
    )


class Bench:
    """A person whose events are applied and told to an updater."""

    def __init__(self, *, replay_events: int = 1_000) -> None:
        self.built: list[Person] = []
        self.steps: list[Step] = []
        self.updater = InteractionUpdater(self.built.extend, self.steps.append, replay_events=replay_events)
        self.profiles: dict[str, Profile] = {}

    def act(self, *events: AppliedEvent, user: str = "anna") -> ProfileChanged:
        before = self.profiles.get(user, new_profile(user))
        profile_events = [
            ProfileEvent(one.event_id, one.item_id, one.action, round(one.occurred_at.timestamp() * 1_000))
            for one in events
        ]
        after, _ = apply_events(before, profile_events, SETTINGS)
        self.profiles[user] = after
        return ProfileChanged(
            user_id=user,
            version=after.version,
            cause=EventCause(event_id=events[-1].event_id, occurred_at=NOW, published_at=NOW),
            state=encode_profile(after),
            applied=list(events),
        )

    def items(self) -> list[str]:
        return [step.interaction.item_id for step in self.steps]


def test_a_change_brings_its_events_each_with_the_person_before_it() -> None:
    bench = Bench()
    bench.updater.caught_up()
    bench.updater.change(bench.act(applied(1)))
    bench.updater.change(bench.act(applied(2), applied(3, "dislike")))
    assert bench.items() == ["item-1", "item-2", "item-3"]
    assert [step.person.item_ids for step in bench.steps] == [(), ("item-1",), ("item-1", "item-2")]
    assert [(step.person.events, step.person.positives) for step in bench.steps] == [(0, 0), (1, 1), (2, 2)]
    assert [step.interaction.weight for step in bench.steps] == [1.0, 1.0, -2.0]
    assert all(step.person.now_ms == step.interaction.occurred_at_ms for step in bench.steps)
    assert bench.updater.applied == 3
    assert bench.built == []


def test_what_is_repeated_after_a_crash_counts_once() -> None:
    bench = Bench()
    bench.updater.caught_up()
    first, second = bench.act(applied(1)), bench.act(applied(2))
    bench.updater.change(first)
    bench.updater.change(second)
    bench.updater.change(first)
    bench.updater.change(second)
    third = bench.act(applied(3))
    # The batch of the crash holds an event that had its effect before.
    bench.updater.change(
        ProfileChanged(
            user_id="anna",
            version=third.version,
            cause=third.cause,
            state=third.state,
            applied=[applied(2), applied(3)],
        )
    )
    assert bench.items() == ["item-1", "item-2", "item-3"]


def test_at_the_start_newest_profiles_are_histories_and_a_missed_one_is_built_on_later() -> None:
    bench = Bench()
    bench.updater.change(bench.act(applied(1)))
    bench.updater.change(bench.act(applied(2)))
    missed = bench.act(applied(3), user="ben")
    bench.updater.caught_up()
    assert [(person.user_id, person.item_ids) for person in bench.built] == [("anna", ("item-1", "item-2"))]
    bench.updater.change(bench.act(applied(4), user="ben"))
    assert missed.version == 1
    assert [(person.user_id, person.item_ids) for person in bench.built[1:]] == [("ben", ("item-3",))]
    assert bench.items() == ["item-4"]


def test_an_event_that_came_late_is_found_where_it_stands_in_the_history() -> None:
    bench = Bench()
    bench.updater.caught_up()
    bench.updater.change(bench.act(applied(5), applied(7)))
    bench.updater.change(bench.act(applied(6)))
    assert bench.steps[-1].person.item_ids == ("item-5", "item-7")


def test_a_full_history_loses_its_oldest_entry_only() -> None:
    bench = Bench()
    bench.updater.caught_up()
    for number in range(12):
        bench.updater.change(bench.act(applied(number)))
    assert bench.steps[-1].person.item_ids == tuple(f"item-{number}" for number in range(2, 11))


@given(st.lists(st.lists(st.integers(0, 9), max_size=9, unique=True), max_size=12), st.integers(1, 40))
def test_the_start_holds_the_newest_events_of_all(people: list[list[int]], replay_events: int) -> None:
    bench = Bench(replay_events=replay_events)
    everything: list[float] = []
    for number, offsets in enumerate(people):
        events = [applied(100 * offset + number) for offset in sorted(offsets)]
        if events:
            bench.updater.change(bench.act(*events, user=f"user-{number}"))
            everything += [one.occurred_at.timestamp() * 1_000 for one in events]
    bench.updater.caught_up()
    kept: Sequence[float] = sorted(np.concatenate([person.times_ms for person in bench.built] or [[]]))
    assert list(kept) == sorted(everything)[len(everything) - min(len(everything), replay_events) :]


def read(*changes: ProfileChanged) -> list[ConsumerRecord]:
    return [
        ConsumerRecord("profiles", 0, offset, 0, 0, b"key", encode(change), None, 4, 0, ())
        for offset, change in enumerate(changes)
    ]


@pytest.mark.parametrize("held_bytes", [0, 1 << 20])
def test_at_the_start_each_person_s_newest_record_counts(
    monkeypatch: pytest.MonkeyPatch, held_bytes: int
) -> None:
    """Also where a worker that lost its partition published an older one after it."""
    monkeypatch.setattr(profiles_to_interactions, "NewestProfiles", lambda: NewestProfiles(held_bytes))
    bench = Bench()
    first, second = bench.act(applied(1)), bench.act(applied(2), applied(3))
    other = bench.act(applied(4), user="ben")
    bench.updater.take(read(first, second, other, first))
    assert not bench.built
    bench.updater.caught_up()
    assert [(one.user_id, one.item_ids) for one in bench.built] == [
        ("anna", ("item-1", "item-2", "item-3")),
        ("ben", ("item-4",)),
    ]
    # From here on the next change is known to be the next.
    bench.updater.take(read(second, bench.act(applied(5))))
    assert [step.interaction.item_id for step in bench.steps] == ["item-5"]


def test_a_person_forgotten_while_reading_is_not_built_on() -> None:
    bench = Bench()
    bench.updater.take(read(bench.act(applied(1)), bench.act(applied(2), user="ben")))
    bench.updater.forget("anna", 5)
    bench.updater.caught_up()
    assert [one.user_id for one in bench.built] == ["ben"]


def test_what_is_no_changed_profile_is_passed_over_at_the_start_too() -> None:
    bench = Bench()
    broken = ConsumerRecord("profiles", 0, 0, 0, 0, b"key", b"\xc1", None, 4, 0, ())
    bench.updater.take([broken, *read(bench.act(applied(1)))])
    bench.updater.caught_up()
    assert len(bench.built) == 1
