"""Whether the items of a new vector space have caught up with those of the space that serves. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from streams.internal_messages import ItemVersion

Held = Mapping[str, tuple[ItemVersion, int]]
# Both spaces are written by workers that go on with new items: one may be ahead by so long.
GRACE_S = 2.0


class Coverage:
    """Items of which the new space has not what the old one has, kept by what changes in either.

    Args:
        old: Item → version and revision, of the space that serves.
        new: Of the new space.
        clock: Seconds.
        old_is_kept: Whether the old space is kept current. Then an item that only one of the spaces has is
            behind: what only the new one has may be withdrawn. Otherwise the new one serves elsewhere, and
            says alone which items there are: what only the old one has was withdrawn since.
    """

    def __init__(self, old: Held, new: Held, clock: Callable[[], float], *, old_is_kept: bool = True) -> None:
        self._old = old
        self._new = new
        self._clock = clock
        self._old_is_kept = old_is_kept
        now_s = self._began_s = clock()
        # In the order of since when: `touch` never moves an item that is here. A new space mostly begins
        # empty, and then nothing has to be compared.
        is_all_behind = old_is_kept and not new
        behind = old if is_all_behind else (item for item in {**old, **new} if self._is_behind(item))
        self._behind: dict[str, float] = dict.fromkeys(behind, now_s)

    def touch(self, item_id: str) -> None:
        """The item has changed in one of the spaces."""
        if self._is_behind(item_id):
            self._behind.setdefault(item_id, self._clock())
        else:
            self._behind.pop(item_id, None)

    @property
    def behind(self) -> int:
        """Items that are not yet as they should be."""
        return len(self._behind)

    @property
    def covered(self) -> int:
        """Items of the old space that are in the new one as they should be; at least so many."""
        return max(0, len(self._old) - len(self._behind))

    @property
    def is_complete(self) -> bool:
        """Whether all that was behind at the start has caught up, and nothing is behind for `GRACE_S`."""
        oldest = next(iter(self._behind.values()), None)
        return oldest is None or (oldest > self._began_s and self._clock() - oldest <= GRACE_S)

    def _is_behind(self, item_id: str) -> bool:
        old, new = self._old.get(item_id), self._new.get(item_id)
        if old is None:
            return new is not None and self._old_is_kept
        if new is None:
            return self._old_is_kept
        (old_version, old_revision), (new_version, new_revision) = old, new
        return old_version.is_newer_than(new_version) or (
            old_version == new_version and old_revision > new_revision
        )
