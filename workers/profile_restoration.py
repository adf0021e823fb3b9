"""Profiles written back into a state that has lost them, or holds older ones, and proof that it has them.

What a worker restores may be lost again before it is through. So each step also counts up a mark of this
restoration alone: a state that was emptied or set back meanwhile has no mark, or an older one, and refuses
the next step. The last step moves the fences, so that what was restored is not read again.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from models.profile import HistoryEntry, Profile, encode_profile
from streams.errors import DependencyDownError
from workers.state.profile import profile_key, stored_profile
from workers.state.store import (
    MISSING,
    VERSION_BYTES,
    CounterIncrement,
    FenceMove,
    StateChange,
    StateStore,
    Write,
    pack_version,
)

STEP_PROFILES = 100
# A fence that is no source's: how often profiles were restored to this state.
RESTORED = "restored"
# Longer than any step; a mark that is left over goes.
_MARK_S = 3_600


class _Newer(NamedTuple):
    """A profile to write, and the entries of its history that the item counters don't have."""

    write: Write
    counted: Sequence[HistoryEntry]


class ProfileRestoration:
    """One worker's restoration. Others may restore, and go on, at the same time.

    Args:
        role: The role whose fences are moved in the end.
        counter_half_life_s: Of the item counters, to which what is restored of histories is added.
    """

    def __init__(self, store: StateStore, role: str, counter_half_life_s: float) -> None:
        self._store = store
        self._role = role
        self._half_life_s = counter_half_life_s
        self._mark = f"restoring:{uuid.uuid4().hex}"
        self._steps = 0
        self._before: int | None = None
        self.restored = 0
        """Profiles written."""
        self.reached: dict[str, int] = {}
        """By `source_key`, the offset after the last event that any of the profiles holds."""

    async def begin(self) -> None:
        """Set the mark.

        Raises:
            DependencyDownError: State does not answer.
        """
        await self._step(StateChange())
        (self._before,) = await self._store.fences(self._role, [RESTORED])

    async def write(self, profiles: Sequence[Profile]) -> None:
        """Write each that is newer than the stored one, and count the events of its history that are new.

        Args:
            profiles: Best about `STEP_PROFILES`, each of another person: they are one step.

        Raises:
            DependencyDownError: State does not answer, or was lost again since `begin`.
        """
        for profile in profiles:
            for source, offset in profile.applied.items():
                self.reached[source] = max(self.reached.get(source, 0), offset + 1)
        writes = await self._newer(profiles)
        if not writes or await self._commit(writes):
            return
        for profile in profiles:
            # One by one, as a worker that updates one of these people meanwhile costs only that one.
            while writes := await self._newer([profile]):
                if await self._commit(writes):
                    break

    async def finish(self, fences: Mapping[str, int]) -> bool:
        """Move fences forward, to where everything before is in the profiles.

        A state that was never restored is one that was emptied. Where it has a fence already, the worker
        that began it had not noticed, and what it wrote of people may be written over: that partition is to
        be read from its start.

        Args:
            fences: By `workers.fenced.source_name`, the first offset that is to be read.

        Returns:
            Whether it was so. False where another worker has restored everything meanwhile.

        Raises:
            DependencyDownError: State does not answer, or was lost again since `begin`.
        """
        names = [RESTORED, *fences]
        while True:
            before, *current = await self._store.fences(self._role, names)
            if before != self._before:
                await self._check_mark()
                return False
            moves = []
            for (name, offset), fence in zip(fences.items(), current, strict=True):
                if before is None and fence:
                    moves.append(FenceMove(name, fence, 0))
                elif offset > (fence or 0):
                    moves.append(FenceMove(name, fence, offset))
            restored = FenceMove(RESTORED, before, (before or 0) + 1)
            if await self._step(StateChange(fences=[restored, *moves])):
                return True

    async def _newer(self, profiles: Sequence[Profile]) -> list[_Newer]:
        """What to write of those that are newer than what is stored."""
        stored = await self._store.load([profile_key(profile.user_id) for profile in profiles])
        newer = []
        for profile, value in zip(profiles, stored, strict=True):
            before = stored_profile(profile.user_id, value)
            if _age(profile) <= _age(before):
                continue
            expected = MISSING if value is None else value[:VERSION_BYTES]
            encoded = pack_version(profile.version) + encode_profile(profile)
            # What is in the stored profile was counted with it.
            new = Counter(_counted(profile))
            new.subtract(_counted(before))
            write = Write(profile_key(profile.user_id), expected, encoded)
            newer.append(_Newer(write, list((+new).elements())))
        return newer

    async def _commit(self, newer: Sequence[_Newer]) -> bool:
        change = StateChange(
            writes=[one.write for one in newer],
            increments=[
                CounterIncrement(entry.item_id, entry.weight, entry.occurred_at_ms / 1_000)
                for one in newer
                for entry in one.counted
            ],
        )
        is_written = await self._step(change)
        self.restored += len(newer) if is_written else 0
        return is_written

    async def _step(self, change: StateChange) -> bool:
        """Commit, and count up the mark; False where others have changed what the change is about."""
        mark = Write(self._mark, self._expected_mark, pack_version(self._steps + 1), _MARK_S)
        marked = replace(change, writes=[*change.writes, mark], counter_half_life_s=self._half_life_s)
        is_done = await self._store.commit(self._role, marked)
        if is_done:
            self._steps += 1
        else:
            await self._check_mark()
        return is_done

    @property
    def _expected_mark(self) -> bytes:
        return pack_version(self._steps) if self._steps else MISSING

    async def _check_mark(self) -> None:
        (held,) = await self._store.load([self._mark])
        if (held or MISSING) != self._expected_mark:
            raise DependencyDownError("the state was lost again while profiles were restored: starting anew")


def _counted(profile: Profile) -> list[HistoryEntry]:
    """The history, as far as the profile role counts it for the items."""
    return [entry for entry in profile.history if entry.weight > 0]


def _age(profile: Profile) -> tuple[int, int, int]:
    """Grows with every change of a profile: a repeated event moves its position alone."""
    return profile.since_ms, profile.version, sum(profile.applied.values())
