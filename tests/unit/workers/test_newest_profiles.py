"""Each person's newest record, whatever the order, and what is none."""

from __future__ import annotations

import msgspec
import pytest
from aiokafka import ConsumerRecord

from workers.newest_profiles import NewestProfiles, profile_head


def record(user_id: str, version: int, since_ms: int = 0, *, at_ms: int = 0, size: int = 0) -> ConsumerRecord:
    value = msgspec.msgpack.encode(
        {"user_id": user_id, "version": version, "since_ms": since_ms, "state": b"x" * size}
    )
    return ConsumerRecord("profiles", 0, 0, at_ms, 0, user_id.encode(), value, None, 4, len(value), ())


def test_the_newest_of_each_person_is_held_until_it_is_taken() -> None:
    newest = NewestProfiles()
    first, second, other = record("anna", 1), record("anna", 2), record("ben", 7)
    # Somebody who was forgotten begins anew: a later life comes before any version.
    again = record("cleo", 1, since_ms=5)
    for one in (second, first, other, again, record("cleo", 9)):
        assert newest.hold(one)
    assert newest.take() == [second, other, again]
    assert newest.take() == []


def test_of_one_version_the_one_published_last_counts() -> None:
    newest = NewestProfiles()
    late, early = record("anna", 1, at_ms=20), record("anna", 1, at_ms=10)
    for one in (late, early):
        newest.hold(one)
    assert newest.take() == [late]


def test_it_is_full_by_what_it_holds() -> None:
    newest = NewestProfiles(held_bytes=1_000)
    for version in range(10):
        newest.hold(record("anna", version, size=500))
    assert not newest.is_full
    newest.hold(record("ben", 1, size=500))
    assert newest.is_full
    newest.take()
    assert not newest.is_full


@pytest.mark.parametrize("value", [b"", b"\x80", b"{", b"\xa2\xff\xff", b"\x91" * 10_000])
def test_what_is_no_changed_profile_is_not_held(value: bytes) -> None:
    newest = NewestProfiles()
    assert profile_head(value) is None
    assert not newest.hold(ConsumerRecord("profiles", 0, 0, 0, 0, b"k", value, None, 1, len(value), ()))
    assert newest.take() == []
