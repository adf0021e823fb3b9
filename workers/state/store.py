"""The state store: values, fences, counters, tallies and timers that change together or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

VERSION_BYTES = 8
MISSING = b""
# Events may name any item id, so what is counted for each must be bounded.
MAX_COUNTERS = 1_000_000


def pack_version(version: int) -> bytes:
    """The prefix of a stored value that compare-and-set looks at: 8 bytes, big-endian."""
    return version.to_bytes(VERSION_BYTES, "big")


@dataclass(frozen=True, slots=True)
class FenceMove:
    """Moves one source partition's fence.

    ``source`` names the partition's life (`topic uuid:partition`); ``expected`` is the offset the
    caller read (None: no fence yet) and ``next_offset`` the first offset not yet applied.
    """

    source: str
    expected: int | None
    next_offset: int


@dataclass(frozen=True, slots=True)
class Write:
    """Replaces one value.

    ``expected`` is the version prefix the caller read, `MISSING` where there was no value. ``value`` None
    deletes. ``expire_after_s`` None keeps it.
    """

    key: str
    expected: bytes
    value: bytes | None
    expire_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class CounterIncrement:
    """Adds ``weight`` at ``at_s`` (seconds since the epoch) to an item's decayed counter."""

    item_id: str
    weight: float
    at_s: float


@dataclass(frozen=True, slots=True)
class TallyIncrement:
    """Adds ``amount`` to one field of a tally: a set of plain sums under one name.

    The tally expires ``expire_after_s`` after its last change. Sums of integers are exact below 2⁵³.
    """

    tally: str
    field: str
    amount: float
    expire_after_s: int


@dataclass(frozen=True, slots=True)
class DistinctAddition:
    """Adds ``members`` to a set of which only the size can be asked for, exact or within 1 %.

    The set expires ``expire_after_s`` after its last change.
    """

    name: str
    members: Sequence[str]
    expire_after_s: int


@dataclass(frozen=True, slots=True)
class TimerChange:
    """Sets when ``member`` of the timers of that name is due, in seconds since the epoch; None: never."""

    timers: str
    member: str
    due_s: float | None


@dataclass(frozen=True, slots=True)
class ErasureMark:
    """Remembers that a person was forgotten; of several marks of a person the latest counts.

    ``person`` is the keyed hash of their id, ``at_ms`` Kafka's time of the erasure. The mark may go after
    ``until_ms``, when nothing that it makes void is left; 0: never.
    """

    person: str
    at_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class NewestList:
    """A person's list for page views. ``since_ms`` is that of the profile behind it."""

    user_id: str
    profile_version: int
    encoded: bytes
    person: str = ""
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class StateChange:
    """Everything that one batch does, as one atomic step.

    ``marks_version`` is the version of the marks that the change was made by, None where it depends on none;
    ``deletes`` are keys that go whatever they hold.
    """

    fences: Sequence[FenceMove] = ()
    writes: Sequence[Write] = ()
    increments: Sequence[CounterIncrement] = ()
    counter_half_life_s: float = 7 * 86_400.0
    tallies: Sequence[TallyIncrement] = ()
    distinct: Sequence[DistinctAddition] = ()
    timers: Sequence[TimerChange] = ()
    marks_version: bytes | None = None
    marks: Sequence[ErasureMark] = ()
    deletes: Sequence[str] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return not (
            self.fences
            or self.writes
            or self.increments
            or self.tallies
            or self.distinct
            or self.timers
            or self.marks
            or self.deletes
        )


@dataclass(frozen=True, slots=True)
class Counter:
    """A decayed counter: ``value`` as it was at ``at_s``."""

    value: float
    at_s: float


@dataclass(frozen=True, slots=True)
class CounterChanges:
    """Counters that changed since a cursor, and the cursor to go on from."""

    counters: dict[str, Counter] = field(default_factory=dict)
    cursor: float = 0.0


class StateStore(Protocol):
    """Where roles keep state. Every method raises `DependencyDownError` where the store does not answer."""

    async def load(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of ``keys``, in order, None where there is none; each with its version prefix."""

    async def fences(self, role: str, sources: Sequence[str]) -> list[int | None]:
        """The first offset not yet applied, for each source; None where nothing was applied yet."""

    async def has_fences(self, role: str) -> bool:
        """Whether the role has ever applied anything to this state."""

    async def commit(self, role: str, change: StateChange) -> bool:
        """Apply ``change`` if every fence and every version is as expected, else do nothing.

        A negative increment takes away what is there, at most.

        Returns:
            Whether it was applied. False means that another worker was here: load again.
        """

    async def counters_since(self, cursor: float) -> CounterChanges:
        """Item counters that changed at or after ``cursor`` (0: all of them)."""

    async def forget_counters(self, item_ids: Sequence[str]) -> None:
        """Drop the counters of withdrawn items."""

    async def tally(self, tally: str) -> dict[str, float]:
        """Every field of a tally; empty where there is none."""

    async def distinct_counts(self, names: Sequence[str]) -> list[int]:
        """How many members each of these sets has; 0 where there is none."""

    async def timers_due(self, timers: str, until_s: float, limit: int) -> list[str]:
        """Members whose time has come by ``until_s``, those due first before others, ``limit`` at most.

        They stay due until a change moves or removes them.
        """

    async def generation(self, topic: str, topic_uuid: str) -> int:
        """A number for the life of ``topic`` with this id: higher than those of all lives seen before it.

        Where state was lost, the same id gets a higher one than before.
        """

    async def put_newest_lists(self, lists: Sequence[NewestList], expire_after_s: int) -> None:
        """Store each, unless a list of a later version is there, or the person was forgotten since."""

    async def newest_list(self, user_id: str) -> bytes | None:
        """The user's newest list as JSON."""

    async def marks_version(self) -> bytes:
        """Changes whenever a mark is set."""

    async def marks(self) -> tuple[bytes, dict[str, int]]:
        """The version, and person → when they were forgotten, in milliseconds since the epoch.

        Marks whose time has passed are left out, and removed.
        """

    async def hold(self, holder: str, for_s: float) -> bool:
        """Say that this worker holds people in memory, for so long at least.

        Returns:
            Whether it was said before, and holds until now. Otherwise the state may have been lost, and
            what the worker acknowledged with it.
        """

    async def release(self, holder: str) -> None:
        """Say that it does not any more."""

    async def holders(self) -> set[str]:
        """The workers that hold people in memory."""

    async def acknowledge(self, holder: str, removed: Mapping[str, bytes]) -> None:
        """Say that this worker has forgotten people, by erasure, and what it removed; kept for 28 days."""

    async def acknowledgements(self, erasure: str) -> dict[str, bytes]:
        """By worker, what it removed."""

    async def report(self, worker: str, report: bytes, for_s: float) -> None:
        """Say what this worker is ready for; it counts as live for so long."""

    async def reports(self) -> dict[str, bytes]:
        """Worker → what it said last, of those that are live."""

    async def end_report(self, worker: str) -> None:
        """Say that this worker is live no more."""

    async def aclose(self) -> None:
        """Give connections back."""
