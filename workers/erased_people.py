"""Who asked to be forgotten, and when: what a role needs to tell what is void.

Everything that is kept of a person carries the time of the erasure after which it began (``since_ms``, 0 for
never forgotten). What began before the person's latest erasure is void, wherever it turns up: in a topic that
is read again, in a snapshot of Redis, in what a worker publishes that was cut off for a while.
"""

from __future__ import annotations

from collections.abc import Mapping

from models.profile import Profile, new_profile
from streams.person_hash import person_hash
from streams.privacy_settings import PrivacySettings
from streams.records import Record
from workers.state.store import StateStore

SINCE_HEADER = "freshet-since"
# Later than anything: of people whose later events are dropped everything is void.
_NEVER_MS = 2**62


class ErasedPeople:
    """By keyed hash, when people were forgotten. Empty, it costs nothing to ask."""

    def __init__(self, settings: PrivacySettings | None = None) -> None:
        settings = settings or PrivacySettings()
        self._key = settings.hash_key
        self._drops_later = settings.later_events == "drop"
        self._at_ms: dict[str, int] = {}
        self.version: bytes | None = None
        """Of the marks in the store that are known here; None before the first `refresh`."""

    @property
    def is_empty(self) -> bool:
        """Whether nobody was forgotten."""
        return not self._at_ms

    def hash_of(self, user_id: str) -> str:
        """The keyed hash of an id."""
        return person_hash(user_id, self._key)

    def note(self, user_id: str, at_ms: int) -> None:
        """Somebody was forgotten at that time of Kafka's."""
        person = self.hash_of(user_id)
        self._at_ms[person] = max(at_ms, self._at_ms.get(person, 0))

    def at_ms(self, user_id: str) -> int:
        """When they were last forgotten; 0 where they never were."""
        return self._at_ms.get(self.hash_of(user_id), 0) if self._at_ms else 0

    def is_void(self, user_id: str, since_ms: int) -> bool:
        """Whether what began with the erasure of that time is void."""
        return since_ms < self._void_before_ms(user_id)

    def is_past(self, user_id: str, at_ms: int) -> bool:
        """Whether an event of that time is to be dropped."""
        # Of people who were never forgotten nothing is, be it from before 1970.
        void_ms = self._void_before_ms(user_id)
        return void_ms > 0 and at_ms <= void_ms

    def profile(self, profile: Profile) -> Profile:
        """The profile; one that is empty in its place where it is from before the erasure."""
        at_ms = self.at_ms(profile.user_id)
        return new_profile(profile.user_id, at_ms) if at_ms > profile.since_ms else profile

    async def refresh(self, store: StateStore) -> bool:
        """Learn of those whom the store knows, and whether there are marks that were not known here."""
        version = await store.marks_version()
        if version == self.version:
            return False
        is_first = self.version is None
        self.version, at_ms = await store.marks()
        self._take(at_ms)
        return not is_first

    def _take(self, at_ms: Mapping[str, int]) -> None:
        self._at_ms = {person: max(at, self._at_ms.get(person, 0)) for person, at in at_ms.items()}

    def _void_before_ms(self, user_id: str) -> int:
        at_ms = self.at_ms(user_id)
        return _NEVER_MS if at_ms and self._drops_later else at_ms


def since_header(since_ms: int) -> tuple[tuple[str, bytes], ...]:
    """The header of a record about a person who was forgotten before; none for others."""
    return ((SINCE_HEADER, str(since_ms).encode()),) if since_ms else ()


def since_of(record: Record) -> int:
    """What `since_header` says; 0 where there is none, or something else."""
    for name, value in record.headers:
        if name == SINCE_HEADER and value.isdigit() and len(value) < 20:
            return int(value)
    return 0
