"""A profile's transitions: each effect once, whatever the order of arrival."""

from __future__ import annotations

from dataclasses import asdict, replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import SettingError
from models.profile import (
    ActionRule,
    Profile,
    SourcePosition,
    TransitionSettings,
    apply_event,
    apply_events,
    hash64,
    new_profile,
)
from streams.settings import ActionSettings, ProfileSettings
from tests.unit.models.profile_events import SETTINGS, TOPIC, distinct_events, event, profile_of


def known(profile: Profile) -> object:
    """What is known of the person, without the order in which it was learned."""
    return (
        profile.version,
        profile.history,
        dict(sorted(profile.counts.items())),
        profile.positives,
        profile.negatives,
        sorted(np.frombuffer(profile.seen, "<u8").tolist()),
        sorted(np.frombuffer(profile.repeatable, "<u8").tolist()),
        sorted(np.frombuffer(profile.recent_events, "<u8").tolist()),
    )


@given(distinct_events(), st.randoms(use_true_random=False), st.integers(1, 12))
def test_any_order_of_distinct_events_gives_the_same_profile(events, random, history_items) -> None:
    actions = {**SETTINGS.actions, "purchase": ActionRule(3.0, may_repeat=True)}
    settings = TransitionSettings(history_items, actions)
    shuffled = list(events)
    random.shuffle(shuffled)
    assert known(profile_of(*shuffled, settings=settings)) == known(profile_of(*events, settings=settings))


@given(distinct_events(), st.lists(st.integers(0, 29)))
def test_a_repeated_event_has_no_effect(events, repeats) -> None:
    repeated = [events[number % len(events)] for number in repeats] if events else []
    assert profile_of(*events, *repeated) == profile_of(*events)


@given(distinct_events(), st.integers(0, 30))
def test_one_call_does_what_many_do(events, cut) -> None:
    profile = new_profile("anna")
    single = []
    for one in events:
        profile, effect = apply_event(profile, one, SETTINGS)
        single.append(effect)
    first, effects = apply_events(new_profile("anna"), events[:cut], SETTINGS)
    second, more = apply_events(first, events[cut:], SETTINGS)
    assert second == profile
    assert effects + more == single
    assert profile.version == sum(effect.changed for effect in single)


@given(distinct_events(max_size=12), st.integers(0, 12))
def test_what_is_read_again_from_the_source_is_not_applied_again(events, again_from) -> None:
    """Also where the fence is lost, and where the ids are no longer among the last 256."""
    placed = [
        msgspec.structs.replace(one, source=SourcePosition(TOPIC, offset % 2, offset))
        for offset, one in enumerate(events)
    ]
    once = profile_of(*placed)
    forgetful = msgspec.structs.replace(once, recent_events=b"")
    after, effects = apply_events(forgetful, placed[again_from:], SETTINGS)
    assert after is forgetful
    assert {effect.kind for effect in effects} <= {"already_applied"}


def test_a_history_is_ordered_by_time_and_keeps_the_newest() -> None:
    settings = replace(SETTINGS, history_items=3)
    events = [event(number, hours_ago=hours) for number, hours in enumerate([5, 1, 9, 3, 7])]
    profile = profile_of(*events, settings=settings)
    assert [entry.item_id for entry in profile.history] == ["item-00000", "item-00003", "item-00001"]
    assert profile.version == 5
    assert profile.counts == {"click": 5}


def test_fewer_items_in_the_settings_shorten_a_longer_history() -> None:
    profile = profile_of(*(event(number, hours_ago=-number) for number in range(10)))
    after, _ = apply_event(profile, event(11, hours_ago=-11), replace(SETTINGS, history_items=4))
    assert [entry.item_id for entry in after.history] == [f"item-{n:05}" for n in (7, 8, 9, 11)]


@pytest.mark.parametrize(
    ("action", "value", "weight"),
    [
        ("like", None, 2.0),
        ("like", 0.1, 2.0),
        ("rate", 5.0, 2.0),
        ("rate", 2.5, 0.0),
        ("rate", 0.0, -2.0),
        ("rate", -1e300, -2.0),
        ("rate", None, 2.0),
        ("play", 0.5, 0.75),
        ("play", 7.0, 1.5),
        ("dislike", None, -2.0),
        ("share", 1.0, 0.0),
    ],
)
def test_weights(action: str, value: float | None, weight: float) -> None:
    profile, effect = apply_event(new_profile("anna"), event(1, action=action, value=value), SETTINGS)
    assert effect.weight == pytest.approx(weight)
    assert effect.changed
    remembered = action != "share"  # Another action says nothing of taste, and marks nothing as seen.
    assert [entry.weight for entry in profile.history] == ([pytest.approx(weight)] if remembered else [])
    assert (profile.positives, profile.negatives) == (int(weight > 0), int(weight < 0))
    assert profile.counts == {action: 1}


def test_an_action_without_settings_follows_other_action() -> None:
    settings = replace(SETTINGS, other_action=ActionRule(0.25, marks_seen=True))
    profile = profile_of(event(1, action="share"), settings=settings)
    assert [(entry.action, entry.weight) for entry in profile.history] == [("share", 0.25)]
    assert profile.seen_count == 1


def test_an_event_that_says_nothing_of_taste_counts_but_pushes_nothing_out() -> None:
    settings = replace(SETTINGS, history_items=1)
    profile = profile_of(event(1), event(2, action="impression", hours_ago=-1), settings=settings)
    assert [entry.item_id for entry in profile.history] == ["item-00001"]
    assert profile.counts == {"click": 1, "impression": 1}
    assert profile.version == 2


def seen_of(profile: Profile, *item_ids: str) -> list[bool]:
    hashes = np.frombuffer(b"".join(hash64(item_id) for item_id in item_ids), "<u8")
    exact = set(profile.seen_hashes().tolist())
    assert exact <= set(hashes[profile.has_seen(hashes)].tolist())
    return profile.has_seen(hashes).tolist()


def test_what_marks_seen_and_what_may_repeat() -> None:
    milk = ActionRule(3.0, may_repeat=True)
    settings = replace(SETTINGS, actions={**SETTINGS.actions, "purchase": milk})
    clicked = profile_of(event(1, "milk"), event(2, "book"), event(3, "lamp", "view"), settings=settings)
    assert seen_of(clicked, "milk", "book", "lamp", "pen") == [True, True, False, False]
    bought, _ = apply_event(clicked, event(4, "milk", "purchase"), settings)
    assert seen_of(bought, "milk", "book") == [False, True]
    again, _ = apply_event(bought, event(5, "milk", "click"), settings)
    assert seen_of(again, "milk", "book") == [False, True]


def test_action_names_are_bounded_and_configured_ones_always_have_their_place() -> None:
    profile = profile_of(*(event(number, action=f"own-{number}") for number in range(300)), event(999))
    assert len(profile.counts) == 34
    assert profile.counts["other"] == 268
    assert profile.counts["click"] == 1
    assert sum(profile.counts.values()) == 301
    many = TransitionSettings(actions={f"a{number}": ActionRule(1.0) for number in range(400)})
    crowded = profile_of(*(event(number, action=f"a{number}") for number in range(400)), settings=many)
    assert len(crowded.counts) == 251
    assert sum(crowded.counts.values()) == 400


def test_an_event_id_counts_again_once_256_others_came_after_it() -> None:
    first = event(0, event_id="e")
    others = [event(number) for number in range(1, 257)]
    _, effects = apply_events(profile_of(first, *others[:255]), [first], SETTINGS)
    assert [effect.kind for effect in effects] == ["duplicate"]
    _, effects = apply_events(profile_of(first, *others), [first], SETTINGS)
    assert [effect.kind for effect in effects] == ["applied"]


def test_a_repeated_event_read_again_long_after_is_not_applied() -> None:
    """The last of its partition: the person's further events came from another one."""
    first = event(0, event_id="e", source=SourcePosition(TOPIC, 0, 7))
    repeated = event(0, event_id="e", source=SourcePosition(TOPIC, 0, 8))
    others = [event(number, source=SourcePosition(TOPIC, 1, number)) for number in range(1, 300)]
    profile = profile_of(first)
    after, (effect,) = apply_events(profile, [repeated], SETTINGS)
    assert (effect.kind, effect.changed, after.version) == ("duplicate", False, profile.version)
    later, _ = apply_events(after, others, SETTINGS)
    again, effects = apply_events(later, [first, repeated, *others], SETTINGS)
    assert {effect.kind for effect in effects} == {"already_applied"}
    assert again is later


def test_source_partitions_are_bounded_and_those_used_last_are_kept() -> None:
    positions = [SourcePosition(TOPIC, partition, 7) for partition in range(20)]
    profile = profile_of(*(event(number, source=source) for number, source in enumerate(positions)))
    assert len(profile.applied) == 16
    assert f"{TOPIC[:8]}/19" in profile.applied
    assert f"{TOPIC[:8]}/0" not in profile.applied


def test_another_topic_of_the_same_name_starts_anew() -> None:
    profile = profile_of(event(1, source=SourcePosition(TOPIC, 0, 100)))
    _, effect = apply_event(profile, event(2, source=SourcePosition("9" + TOPIC[1:], 0, 3)), SETTINGS)
    assert effect.changed


def test_the_defaults_are_those_of_the_settings() -> None:
    settings = ProfileSettings()
    ours = {name: asdict(rule) for name, rule in SETTINGS.actions.items()}
    assert ours == {name: rule.model_dump() for name, rule in settings.actions.items()}
    assert asdict(SETTINGS.other_action) == settings.other_action.model_dump()
    assert SETTINGS.history_items == settings.history_items
    assert set(asdict(SETTINGS.other_action)) == set(ActionSettings.model_fields)


def test_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(SettingError, match=r"both 5\.0"):
        ActionRule(1.0, value_neutral=5.0, value_full=5.0)
    with pytest.raises(SettingError, match="finite"):
        ActionRule(float("nan"))
    with pytest.raises(SettingError, match="at least 1"):
        TransitionSettings(history_items=0)
