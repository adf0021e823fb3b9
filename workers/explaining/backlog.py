"""Lists that wait for words: a bounded number, and the ones that somebody probably looks at first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
Dropped = Literal["newer_list", "no_room"]


@dataclass(slots=True)
class _Waiting(Generic[T]):
    value: T
    user_id: str
    is_asked_for: bool
    number: int
    is_newest: bool = True

    def urgency(self) -> tuple[bool, bool, int]:
        return self.is_newest, self.is_asked_for, self.number


class Backlog(Generic[T]):
    """Each person's newest list comes first; among these what was asked for, then what came last.

    Where there is no room, the least urgent is dropped: a person's older lists before others' newest.

    Args:
        lists: How many wait at most.
        on_drop: Told of each that is dropped.
    """

    def __init__(self, lists: int, on_drop: Callable[[T, Dropped], None]) -> None:
        self._lists = lists
        self._on_drop = on_drop
        self._waiting: list[_Waiting[T]] = []
        self._newest: dict[str, _Waiting[T]] = {}
        self._number = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, value: T, user_id: str, *, is_asked_for: bool) -> None:
        """A list arrives, later than those before it."""
        self._number += 1
        older = self._newest.get(user_id)
        if older is not None:
            older.is_newest = False
        waiting = _Waiting(value, user_id, is_asked_for, self._number)
        self._newest[user_id] = waiting
        self._waiting.append(waiting)
        if len(self._waiting) > self._lists:
            least = min(self._waiting, key=_Waiting.urgency)
            self._take(least)
            self._on_drop(least.value, "no_room" if least.is_newest else "newer_list")

    def pop(self) -> T:
        """The most urgent.

        Raises:
            IndexError: None waits.
        """
        if not self._waiting:
            raise IndexError("no list waits")
        most = max(self._waiting, key=_Waiting.urgency)
        self._take(most)
        return most.value

    def remove(self, condition: Callable[[T], bool]) -> list[T]:
        """Take out those that meet a condition; `on_drop` is not told."""
        found = [one for one in self._waiting if condition(one.value)]
        for one in found:
            self._take(one)
        return [one.value for one in found]

    def _take(self, one: _Waiting[T]) -> None:
        self._waiting.remove(one)
        if self._newest.get(one.user_id) is one:
            del self._newest[one.user_id]
