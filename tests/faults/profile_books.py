"""Whether profiles, in Redis and in their topic, are what the independent model makes of the events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import redis as redis_client

from streams.codec import decode_value
from streams.topics import PROFILES
from tests.faults.check import Check
from tests.faults.profile_differences import differences
from tests.faults.reference_profiles import ReferenceProfile
from workers.state.profile import stored_profile

_AT_ONCE = 100


def profiles_in_redis(
    people: Mapping[str, ReferenceProfile], redis: redis_client.Redis, prefix: str
) -> Check:
    """Every profile in Redis is what the independent model makes of the topic."""
    lost = twice = 0
    wrong: dict[str, list[str]] = {}
    names = sorted(people)
    for begin in range(0, len(names), _AT_ONCE):
        part = names[begin : begin + _AT_ONCE]
        values: Any = redis.mget([f"{prefix}profile:{name}" for name in part])
        for name, value in zip(part, values, strict=True):
            found = stored_profile(name, value)
            difference = found.version - people[name].version
            lost += max(0, -difference)
            twice += max(0, difference)
            if problems := differences(found, people[name]):
                wrong[name] = problems
    return Check(
        "every profile is as recomputed",
        not wrong and not lost and not twice,
        {
            "people": len(names),
            "effects": sum(one.version for one in people.values()),
            "events_sent_twice": sum(one.duplicates for one in people.values()),
            "effects_lost": lost,
            "effects_twice": twice,
            "profiles_wrong": len(wrong),
            "first_wrong": dict(list(wrong.items())[:3]),
        },
    )


def profiles_in_topic(people: Mapping[str, ReferenceProfile], values: Iterable[bytes | None]) -> Check:
    """The newest record of every person in `profiles` is their profile.

    Args:
        values: Of the topic; those of one partition in order.
    """
    newest: dict[str, int] = defaultdict(int)
    last: dict[str, int] = {}
    for value in values:
        if value is not None:
            change = decode_value(value, PROFILES)
            newest[change.user_id] = max(newest[change.user_id], change.version)
            last[change.user_id] = change.version
    expected = {name: one.version for name, one in people.items()}
    wrong = [name for name, version in expected.items() if newest[name] != version]
    older = sum(last[name] < newest[name] for name in last)
    return Check(
        "the newest record of every profile is in Kafka",
        not wrong,
        {"people": len(expected), "wrong": len(wrong), "older_after_newer": older},
    )
