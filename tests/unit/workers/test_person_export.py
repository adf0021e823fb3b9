"""Which records are about a person, and how they are shown to them."""

from __future__ import annotations

import msgspec
import pytest

from models.profile import ProfileEvent, TransitionSettings, apply_events, encode_profile, new_profile
from streams.codec import encode
from streams.dead_letters import dead_letter_outgoing
from streams.errors import InvalidError
from streams.internal_messages import EventCause, ProfileChanged
from streams.topic_names import TopicNames
from streams.topics import DEAD_LETTERS, EVENTS, PROFILES
from tests.unit.workers.fakes import NOW, record
from workers.person_export import _is_about, _readable, readable_profile

TOPICS = TopicNames("t.")


def profile_of(user: str) -> ProfileChanged:
    events = [ProfileEvent("e1", "lamp", "purchase", round(NOW.timestamp() * 1_000))]
    profile, _ = apply_events(new_profile(user), events, TransitionSettings())
    cause = EventCause(event_id="e1", occurred_at=NOW, published_at=NOW)
    return ProfileChanged(user_id=user, version=1, cause=cause, state=encode_profile(profile))


@pytest.mark.parametrize(
    ("key", "value", "is_hers"),
    [
        (b"anna", b"{}", True),
        (None, b'{"user_id": "anna"}', True),
        (b"wrong", b'{"user_id": "anna"}', True),
        (b"ben", b'{"user_id": "ben", "item_id": "anna"}', False),
        (b"ben", b"{broken", False),
        (None, None, False),
    ],
)
def test_an_event_is_hers_by_key_or_by_what_it_says(
    key: bytes | None, value: bytes | None, is_hers: bool
) -> None:
    assert _is_about(record(TOPICS.events, value, key=key), EVENTS, "anna") is is_hers


def test_a_dead_letter_is_hers_where_its_payload_names_her() -> None:
    refused = record(TOPICS.events, b'{"user_id": "anna", "item_id": 5}')
    letter = dead_letter_outgoing(TOPICS.dead_letters, refused, "profile", InvalidError("wrong"), NOW)
    assert _is_about(record(TOPICS.dead_letters, letter.value), DEAD_LETTERS, "anna")
    assert not _is_about(record(TOPICS.dead_letters, letter.value), DEAD_LETTERS, "ben")


def test_a_profile_is_shown_by_name_and_time() -> None:
    changed = profile_of("anna")
    shown = _readable(record(TOPICS.profiles, encode(changed)), PROFILES)
    assert shown["profile"]["history"] == [
        {"item_id": "lamp", "action": "purchase", "weight": 3.0, "occurred_at": NOW}
    ]
    assert shown["profile"]["events_by_action"] == {"purchase": 1}
    assert shown["profile"]["forgotten_before"] is None
    assert msgspec.json.encode(shown)
    assert readable_profile(new_profile("anna", 1_000))["forgotten_before"] is not None


def test_what_cannot_be_read_is_given_as_it_is() -> None:
    assert _readable(record(TOPICS.events, b"{broken"), EVENTS) == {"unreadable": "e2Jyb2tlbg=="}
    assert _readable(record(TOPICS.profiles, None), PROFILES) is None
