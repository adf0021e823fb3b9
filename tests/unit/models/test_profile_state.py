"""A profile as it is stored: small, read back as it was, and refused where it is broken."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ProfileStateError
from models.profile import SourcePosition, apply_event, decode_profile, encode_profile, hash64, new_profile
from models.profile.bloom import (
    BLOOM_BYTES,
    BLOOM_CAPACITY,
    BLOOM_FALSE_POSITIVE_RATE,
    bloom_add,
    bloom_contains,
    bloom_has,
)
from models.profile.hashing import contains_hash
from models.profile.state import SEEN_EXACT
from tests.unit.models.profile_events import SETTINGS, TOPIC, distinct_events, event, profile_of


@given(distinct_events())
def test_a_profile_is_read_back_as_it_was(events) -> None:
    profile = profile_of(*events)
    assert decode_profile(encode_profile(profile)) == profile


def test_twenty_events_take_less_than_one_kilobyte() -> None:
    events = [
        event(number, action=list(SETTINGS.actions)[number % 9], source=SourcePosition(TOPIC, 3, number))
        for number in range(20)
    ]
    assert len(events[0].item_id) == 10
    profile = profile_of(*events)
    assert len(profile.history) == 20
    assert len(encode_profile(profile)) <= 900
    assert len(encode_profile(new_profile("anna"))) <= 32


def test_the_largest_profile_is_bounded() -> None:
    events = [event(number, "x" * 244 + f"{number:012}") for number in range(5_000)]
    encoded = encode_profile(profile_of(*events))
    # 200 ids of 256 characters, the filter, and 8 bytes for each event id and each item seen.
    assert len(encoded) < 200 * (256 + 20) + BLOOM_BYTES + 8 * (256 + 1_000) + 500


def test_items_seen_are_exact_up_to_a_thousand_and_never_forgotten_after() -> None:
    exact = profile_of(*(event(number) for number in range(SEEN_EXACT)))
    assert exact.seen_count == SEEN_EXACT
    assert exact.seen_filter == b""
    more = profile_of(*(event(number) for number in range(3_000)))
    hashes = np.frombuffer(b"".join(hash64(f"item-{number:05}") for number in range(6_000)), "<u8")
    seen = more.has_seen(hashes)
    assert seen[:3_000].all()
    assert seen[3_000:].mean() <= BLOOM_FALSE_POSITIVE_RATE
    assert more.seen_count == pytest.approx(3_000, rel=BLOOM_FALSE_POSITIVE_RATE)
    assert not exact.has_seen(hashes)[SEEN_EXACT:].any()


def test_an_item_that_only_the_filter_knows_is_not_counted_again() -> None:
    before = profile_of(*(event(number) for number in range(1_200)))
    after, effect = apply_event(before, event(9_999, "item-00000"), SETTINGS)
    assert effect.changed
    assert after.seen == before.seen
    assert after.seen_count == before.seen_count


def test_the_filter_keeps_its_stated_rate_when_full() -> None:
    bits = bytearray(BLOOM_BYTES)
    for number in range(BLOOM_CAPACITY):
        bloom_add(bits, hash64(f"in-{number}"))
    others = np.frombuffer(b"".join(hash64(f"out-{number}") for number in range(50_000)), "<u8")
    rate = bloom_contains(bytes(bits), others).mean()
    # Three standard deviations of a count with the stated mean.
    assert rate <= BLOOM_FALSE_POSITIVE_RATE + 3 * np.sqrt(BLOOM_FALSE_POSITIVE_RATE / 50_000)


digests = st.lists(st.binary(min_size=8, max_size=8), max_size=50)


@given(digests, digests)
def test_one_by_one_or_many_at_once_the_filter_answers_the_same(inside, outside) -> None:
    bits = bytearray(BLOOM_BYTES)
    for digest in inside:
        bloom_add(bits, digest)
    asked = inside + outside
    answers = bloom_contains(bytes(bits), np.frombuffer(b"".join(asked), "<u8")).tolist()
    assert answers == [bloom_has(bits, digest) for digest in asked]
    assert all(answers[: len(inside)])
    assert not bloom_contains(b"", np.frombuffer(b"".join(asked), "<u8")).any()


@given(digests, st.binary(min_size=8, max_size=8), st.integers(0, 7))
def test_a_hash_is_found_only_where_a_hash_begins(held, digest, shift) -> None:
    packed = b"".join(held)
    assert contains_hash(packed, digest) == (digest in held)
    # The bytes of a hash across two others are not that hash.
    across = bytes(shift) + digest + bytes(8 - shift)
    parts = [across[:8], across[8:16]]
    assert contains_hash(b"".join(parts), digest) == (digest in parts)


def broken(**changes: object) -> bytes:
    profile = profile_of(*(event(number) for number in range(3)))
    return encode_profile(msgspec.structs.replace(profile, **changes))


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode({"user_id": "anna"}),
        msgspec.msgpack.encode(["anna", "three"]),
        encode_profile(profile_of(event(1)))[:-1],
        broken(item_ids=("a", "b")),
        broken(action_codes=b"\x00\x00\x01"),
        broken(weights=b"\x00" * 13),
        broken(times_ms=b"\x00" * 16),
        broken(action_counts=()),
        broken(recent_events=b"\x00" * 9),
        broken(seen_filter=b"\x00"),
    ],
)
def test_what_is_not_a_profile_is_refused(encoded: bytes) -> None:
    with pytest.raises(ProfileStateError):
        decode_profile(encoded)
