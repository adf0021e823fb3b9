"""The state store in memory: for evaluation in one process and for tests. The same contract as Redis."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from workers.state.store import (
    MAX_COUNTERS,
    VERSION_BYTES,
    Counter,
    CounterChanges,
    CounterIncrement,
    ErasureMark,
    NewestList,
    StateChange,
)


class MemoryStateStore:
    """State in dictionaries. Expiry is not modelled."""

    def __init__(self, *, max_counters: int = MAX_COUNTERS) -> None:
        self._max_counters = max_counters
        self._values: dict[str, bytes] = {}
        self._fences: dict[tuple[str, str], int] = {}
        self._counters: dict[str, Counter] = {}
        self._changed_at: dict[str, float] = {}
        self._lists: dict[str, tuple[int, bytes]] = {}
        self._generations: dict[str, dict[str, int]] = {}
        self._ticks = itertools.count(1)
        self._tallies: dict[str, dict[str, float]] = {}
        self._distinct: dict[str, set[str]] = {}
        self._timers: dict[str, dict[str, float]] = {}
        self._marks: dict[str, ErasureMark] = {}
        self._marks_version = b""
        self._holders: set[str] = set()
        self._acknowledged: dict[str, dict[str, bytes]] = {}
        self._reports: dict[str, bytes] = {}

    async def load(self, keys: Sequence[str]) -> list[bytes | None]:
        """See `StateStore.load`."""
        return [self._values.get(key) for key in keys]

    async def fences(self, role: str, sources: Sequence[str]) -> list[int | None]:
        """See `StateStore.fences`."""
        return [self._fences.get((role, source)) for source in sources]

    async def has_fences(self, role: str) -> bool:
        """See `StateStore.has_fences`."""
        return any(owner == role for owner, _ in self._fences)

    async def commit(self, role: str, change: StateChange) -> bool:
        """See `StateStore.commit`."""
        if any(self._fences.get((role, move.source)) != move.expected for move in change.fences):
            return False
        if any(self._values.get(write.key, b"")[:VERSION_BYTES] != write.expected for write in change.writes):
            return False
        if change.marks_version is not None and change.marks_version != self._marks_version:
            return False
        for move in change.fences:
            self._fences[role, move.source] = move.next_offset
        for write in change.writes:
            if write.value is None:
                self._values.pop(write.key, None)
            else:
                self._values[write.key] = write.value
        for increment in change.increments:
            self._count(increment, change.counter_half_life_s)
        for add in change.tallies:
            sums = self._tallies.setdefault(add.tally, {})
            sums[add.field] = sums.get(add.field, 0.0) + add.amount
        for addition in change.distinct:
            self._distinct.setdefault(addition.name, set()).update(addition.members)
        for timer in change.timers:
            due = self._timers.setdefault(timer.timers, {})
            if timer.due_s is None:
                due.pop(timer.member, None)
            else:
                due[timer.member] = timer.due_s
        for mark in change.marks:
            held = self._marks.get(mark.person)
            if held is None or held.at_ms < mark.at_ms:
                self._marks[mark.person] = mark
                self._marks_version = str(next(self._ticks)).encode()
        for key in change.deletes:
            self._values.pop(key, None)
            self._lists.pop(key.removeprefix("list:"), None)
        return True

    async def counters_since(self, cursor: float) -> CounterChanges:
        """See `StateStore.counters_since`."""
        changed = {item: at for item, at in self._changed_at.items() if at >= cursor}
        return CounterChanges(
            {item: self._counters[item] for item in changed}, max(changed.values(), default=cursor)
        )

    async def forget_counters(self, item_ids: Sequence[str]) -> None:
        """See `StateStore.forget_counters`."""
        for item_id in item_ids:
            self._counters.pop(item_id, None)
            self._changed_at.pop(item_id, None)

    async def tally(self, tally: str) -> dict[str, float]:
        """See `StateStore.tally`."""
        return dict(self._tallies.get(tally, {}))

    async def distinct_counts(self, names: Sequence[str]) -> list[int]:
        """See `StateStore.distinct_counts`."""
        return [len(self._distinct.get(name, ())) for name in names]

    async def timers_due(self, timers: str, until_s: float, limit: int) -> list[str]:
        """See `StateStore.timers_due`."""
        due = sorted((at, member) for member, at in self._timers.get(timers, {}).items() if at <= until_s)
        return [member for _, member in due[:limit]]

    async def generation(self, topic: str, topic_uuid: str) -> int:
        """See `StateStore.generation`."""
        lives = self._generations.setdefault(topic, {})
        return lives.setdefault(topic_uuid, len(lives) + 1)

    async def put_newest_lists(self, lists: Sequence[NewestList], expire_after_s: int) -> None:
        """See `StateStore.put_newest_lists`."""
        for one in lists:
            mark = self._marks.get(one.person)
            is_void = mark is not None and mark.at_ms > one.since_ms
            if one.profile_version >= self._lists.get(one.user_id, (-1, b""))[0] and not is_void:
                self._lists[one.user_id] = (one.profile_version, one.encoded)

    async def newest_list(self, user_id: str) -> bytes | None:
        """See `StateStore.newest_list`."""
        found = self._lists.get(user_id)
        return None if found is None else found[1]

    async def marks_version(self) -> bytes:
        """See `StateStore.marks_version`."""
        return self._marks_version

    async def marks(self) -> tuple[bytes, dict[str, int]]:
        """See `StateStore.marks`."""
        return self._marks_version, {person: mark.at_ms for person, mark in self._marks.items()}

    async def hold(self, holder: str, for_s: float) -> bool:
        """See `StateStore.hold`."""
        was_held = holder in self._holders
        self._holders.add(holder)
        return was_held

    async def release(self, holder: str) -> None:
        """See `StateStore.release`."""
        self._holders.discard(holder)

    async def holders(self) -> set[str]:
        """See `StateStore.holders`."""
        return set(self._holders)

    async def acknowledge(self, holder: str, removed: Mapping[str, bytes]) -> None:
        """See `StateStore.acknowledge`."""
        for erasure, what in removed.items():
            self._acknowledged.setdefault(erasure, {})[holder] = what

    async def acknowledgements(self, erasure: str) -> dict[str, bytes]:
        """See `StateStore.acknowledgements`."""
        return dict(self._acknowledged.get(erasure, {}))

    async def report(self, worker: str, report: bytes, for_s: float) -> None:
        """See `StateStore.report`."""
        self._reports[worker] = report

    async def reports(self) -> dict[str, bytes]:
        """See `StateStore.reports`."""
        return dict(self._reports)

    async def end_report(self, worker: str) -> None:
        """See `StateStore.end_report`."""
        self._reports.pop(worker, None)

    async def aclose(self) -> None:
        """See `StateStore.aclose`."""

    def _count(self, add: CounterIncrement, half_life_s: float) -> None:
        old = self._counters.get(add.item_id)
        if old is None:
            new = Counter(max(add.weight, 0.0), add.at_s)
        elif add.at_s >= old.at_s:
            new = Counter(add.weight + old.value * 2 ** ((old.at_s - add.at_s) / half_life_s), add.at_s)
        else:
            new = Counter(old.value + add.weight * 2 ** ((add.at_s - old.at_s) / half_life_s), old.at_s)
        self._counters[add.item_id] = Counter(max(new.value, 0.0), new.at_s)
        self._changed_at[add.item_id] = float(next(self._ticks))
        if len(self._counters) > self._max_counters:
            oldest = min(self._changed_at, key=self._changed_at.__getitem__)
            del self._counters[oldest], self._changed_at[oldest]
