"""The newest events of all people, each linked to the same person's events before and after it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.errors import SettingError

NONE = -1
# The largest number of an event that an item's row holds, before all are counted from a later one.
_LARGEST_HELD = 2**31 - 1
Numbers = NDArray[np.int64]
Slots = NDArray[np.int64]


class EventLog:
    """A ring of events by number: 0, 1, 2 … in the order in which they came; old ones are overwritten.

    Event n lies in slot ``n mod capacity``. Per item the numbers of its newest events are kept too.

    Args:
        capacity: Events.
        per_item: Events that an item keeps.

    Raises:
        SettingError: One of them is below 1.
    """

    def __init__(self, capacity: int, per_item: int) -> None:
        if capacity < 1 or per_item < 1:
            raise SettingError(f"an event log needs room for an event; it has {capacity} and {per_item}")
        self.capacity = capacity
        self.count = 0
        # The slot after the last stands for "none": its item is −1, and it is linked to itself.
        self._items = np.full(capacity + 1, NONE, np.int64)
        self._people = np.full(capacity, NONE, np.int64)
        self._times_s = np.zeros(capacity + 1, np.float64)
        self._weights = np.zeros(capacity, np.float32)
        # Links to the event after each, then those to the event before: both as positions in this array, so
        # that to follow is to take.
        self._before = capacity + 1
        self._links = np.empty(2 * self._before, np.int64)
        self._links[: self._before], self._links[self._before :] = capacity, self._before + capacity
        # User id → number of the person, and of their last event.
        self._person_of: dict[str, tuple[int, int]] = {}
        self._people_ever = 0
        # Counted from the first number that may be held, so that half the memory is enough.
        self._recent = np.full((256, per_item), NONE, np.int32)
        self._recent_from = 0
        self._recent_count = np.zeros(256, np.int64)

    def person(self, user_id: str) -> int:
        """The number of a person; −1 for one with no event here."""
        return self._person_of.get(user_id, (NONE, NONE))[0]

    def grow(self, rows: int) -> None:
        """Make room for this many items."""
        have = len(self._recent)
        if rows > have:
            more = max(rows, have * 2) - have
            empty = np.full((more, self._recent.shape[1]), NONE, np.int32)
            self._recent = np.concatenate([self._recent, empty])
            self._recent_count = np.concatenate([self._recent_count, np.zeros(more, np.int64)])

    def clear(self, row: int) -> None:
        """Forget an item: another has its row now."""
        self._recent[row] = NONE
        self._recent_count[row] = 0
        self._items[self._items == row] = NONE

    def slots_of(self, user_id: str) -> Slots:
        """Where a person's events are held, oldest first; int64 [n]."""
        last = self._person_of.get(user_id, (NONE, NONE))[1]
        found: list[int] = []
        if last > max(NONE, self.count - 1 - self.capacity):
            slot = last % self.capacity
            while slot != self.capacity:
                found.append(slot)
                slot = int(self._links[self._before + slot]) - self._before
        return np.array(found[::-1], np.int64)

    def forget(self, user_id: str) -> None:
        """Forget a person: their events stay as gaps, of nobody and on nothing."""
        slots = self.slots_of(user_id)
        numbers = slots + self.capacity * ((self.count - 1 - slots) // self.capacity)
        for number, row in zip(numbers.tolist(), self._items[slots].tolist(), strict=True):
            if row >= 0:
                recent = self._recent[row]
                recent[recent == number] = NONE
        self._items[slots] = NONE
        self._people[slots] = NONE
        self._times_s[slots] = 0.0
        self._weights[slots] = 0.0
        self._links[slots] = self.capacity
        self._links[self._before + slots] = self._before + self.capacity
        self._person_of.pop(user_id, None)

    def append(self, user_id: str, row: int, weight: float, time_s: float) -> None:
        """Take in an event."""
        number = self.count
        slot = number % self.capacity
        if user_id in self._person_of:
            person, previous = self._person_of[user_id]
        else:
            person, previous = self._people_ever, NONE
            self._people_ever += 1
            self._forget_people()
        links, none = self._links, self.capacity
        if number >= self.capacity and (follower := int(links[slot])) != none:
            # What is overwritten here comes before nothing any more.
            links[self._before + follower] = self._before + none
        self._items[slot] = row
        self._people[slot] = person
        self._times_s[slot] = time_s
        self._weights[slot] = weight
        links[slot], links[self._before + slot] = none, self._before + none
        if previous > max(NONE, number - self.capacity):
            links[previous % self.capacity] = slot
            links[self._before + slot] = self._before + previous % self.capacity
        self._person_of[user_id] = (person, number)
        ring = self._recent.shape[1]
        if number - self._recent_from > _LARGEST_HELD:
            self._recent_from_later(number)
        self._recent[row, self._recent_count[row] % ring] = number - self._recent_from
        self._recent_count[row] += 1
        self.count = number + 1

    def occurrences(self, rows: Numbers) -> tuple[Slots, Numbers]:
        """The newest events of these items, and the position in ``rows`` that each is of; int64 [m] both."""
        numbers = self._recent[rows].astype(np.int64)
        numbers += self._recent_from
        held = numbers > max(NONE, self.count - 1 - self.capacity)
        return numbers[held] % self.capacity, held.nonzero()[0]

    def items(self, slots: Slots) -> Numbers:
        """Rows of the items of events; −1 where the item was forgotten, or there is no event."""
        return self._items.take(slots)

    def times_s(self, slots: Slots) -> NDArray[np.float64]:
        """Times of events; 0 where there is none."""
        return self._times_s.take(slots)

    def weights(self, slots: Slots) -> NDArray[np.float32]:
        """What events say of taste."""
        return self._weights.take(slots)

    def people_of(self, slots: Slots) -> Numbers:
        """Numbers of the people whose events these are."""
        return self._people.take(slots)

    def around(self, slots: Slots, reach: int) -> Slots:
        """The same person's events around each of these events, the nearest first.

        Returns:
            Slots int64 [reach, 2 · n], first those after each and then those before each; ``capacity`` where
            there is none.
        """
        reached = np.empty((reach, 2 * len(slots)), np.int64)
        at = np.concatenate([slots, slots + self._before])
        for step in range(reach):
            # To clip, which never happens, is what lets it write there without a copy.
            at = self._links.take(at, out=reached[step], mode="clip")
        reached[:, len(slots) :] -= self._before
        return reached

    def sequences(self) -> tuple[Numbers, Numbers, NDArray[np.float32], NDArray[np.float64]]:
        """All events held, by person and in their order: items, people, weights, times in seconds.

        Events on items that were forgotten are left out.
        """
        slots = self.numbers_by_person() % self.capacity
        return self.items(slots), self.people_of(slots), self._weights[slots], self.times_s(slots)

    def numbers_by_person(self) -> Numbers:
        """Numbers of the events of `sequences`."""
        numbers = np.arange(max(0, self.count - self.capacity), self.count)
        numbers = numbers[self._items[numbers % self.capacity] >= 0]
        return numbers[np.argsort(self.people_of(numbers % self.capacity), kind="stable")]

    def _recent_from_later(self, number: int) -> None:
        """Count from the oldest event still held; those before it are none."""
        first = max(0, number - self.capacity)
        for row in self._recent:
            row[:] = np.maximum(row.astype(np.int64) - (first - self._recent_from), NONE)
        self._recent_from = first

    def _forget_people(self) -> None:
        """Drop people with no event here any more, once these may be as many as those with one."""
        if len(self._person_of) <= 2 * self.capacity:
            return
        first = self.count - self.capacity
        self._person_of = {user_id: of for user_id, of in self._person_of.items() if of[1] >= first}
