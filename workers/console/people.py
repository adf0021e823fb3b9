"""People as `profiles` has them: those who acted last, and what they did. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import ConsumerRecord

from models.errors import ProfileStateError
from models.profile import Profile, decode_profile, new_profile
from streams.codec import decode_value
from streams.errors import BadInputError
from streams.topics import PROFILES
from workers.erased_people import since_of
from workers.newest_profiles import profile_head

SHOWN_HISTORY = 24


class People:
    """The newest profile of each person, as it was encoded.

    Args:
        max_people: Beyond, those who acted longest ago are dropped.
        on_change: Told the id of each person whose profile grew.
        on_forgotten: Told the id of each person whose profile is gone from the topic, and since when.
    """

    def __init__(
        self,
        max_people: int,
        on_change: Callable[[str], None] = lambda user_id: None,
        on_forgotten: Callable[[str, int], None] = lambda user_id, since_ms: None,
    ) -> None:
        self._max_people = max_people
        self._on_change = on_change
        self._on_forgotten = on_forgotten
        # Versions begin anew with each erasure.
        self._held: OrderedDict[str, tuple[tuple[int, int], bytes]] = OrderedDict()

    def take(self, records: Sequence[ConsumerRecord]) -> None:
        """Take messages of `profiles`; one that is none costs itself alone."""
        for record in records:
            if record.value is None:
                if record.key is not None:
                    user_id = record.key.decode(errors="replace")
                    self._held.pop(user_id, None)
                    self._on_forgotten(user_id, since_of(record))
                continue
            newest = profile_head(record.value)
            if newest is None:
                continue
            held = self._held.get(newest.user_id)
            version = (newest.since_ms, newest.version)
            if held is not None and held[0] >= version:
                continue
            self._held[newest.user_id] = (version, record.value)
            self._held.move_to_end(newest.user_id)
            if len(self._held) > self._max_people:
                self._held.popitem(last=False)
            self._on_change(newest.user_id)

    def newest(self, count: int) -> list[dict[str, Any]]:
        """People and how many effects their profile covers, those who acted last first."""
        found = []
        for user_id, ((_, version), _) in reversed(self._held.items()):
            found.append({"user_id": user_id, "version": version})
            if len(found) == count:
                break
        return found

    def profile(self, user_id: str) -> Profile:
        """Somebody's profile; a stranger's where they are not known."""
        held = self._held.get(user_id)
        if held is None:
            return new_profile(user_id)
        try:
            return decode_profile(decode_value(held[1], PROFILES).state)
        except (BadInputError, ProfileStateError):
            return new_profile(user_id)


def shown_history(profile: Profile) -> list[dict[str, Any]]:
    """The last actions, newest first."""
    return [
        {
            "item_id": one.item_id,
            "action": one.action,
            "weight": round(one.weight, 3),
            "at_ms": one.occurred_at_ms,
        }
        for one in reversed(profile.history[-SHOWN_HISTORY:])
    ]
