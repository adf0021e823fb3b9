"""Many histories as arrays: what a memory of interactions is built from at the start, all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from models.cascade.person import Person

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Histories:
    """The n entries of histories, one after another, each person's oldest first.

    Attributes:
        user_ids: Of the people, [people].
        item_ids: [n].
        people: Whose entry it is, ascending, int64 [n].
        before: Events of that person before it, int64 [n].
        weights: float32 [n].
        times_s: float64 [n].
    """

    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    people: Numbers
    before: Numbers
    weights: NDArray[np.float32]
    times_s: NDArray[np.float64]

    @classmethod
    def of(cls, people: Sequence[Person]) -> Histories:
        """Those of these people, who have one entry at least together."""
        sizes = [len(person.item_ids) for person in people]
        return cls(
            tuple(person.user_id for person in people),
            tuple(chain.from_iterable(person.item_ids for person in people)),
            np.repeat(np.arange(len(people)), sizes),
            np.concatenate(
                [
                    max(0, person.events - size) + np.arange(size)
                    for person, size in zip(people, sizes, strict=True)
                ]
            ),
            np.concatenate([person.weights for person in people]),
            np.concatenate([person.times_ms for person in people]) / 1_000.0,
        )

    def by_time(self) -> Numbers:
        """The entries in the order of their times, those of one moment by user id, int64 [n]."""
        order = sorted(range(len(self.user_ids)), key=self.user_ids.__getitem__)
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return np.lexsort((rank[self.people], self.times_s))

    def gaps_s(self) -> NDArray[np.float64]:
        """Since the same person's entry before each; infinite for the first, float64 [n]."""
        gaps_s = np.diff(self.times_s, prepend=0.0)
        gaps_s[np.diff(self.people, prepend=-1) != 0] = np.inf
        return np.maximum(gaps_s, 0.0)

    def pairs(self, rows: Numbers, reach: int, at_once: int) -> Iterator[tuple[Numbers, Numbers]]:
        """Entries with the same person's earlier ones on other items, of each item its newest.

        Args:
            rows: Of the items, −1 for those that are in no pair, int64 [n].
            reach: Entries before each that are looked at.
            at_once: Pairs of entries in one answer, about.

        Yields:
            The later and the earlier entries, int64 [pairs] both.
        """
        count = len(rows)
        following = np.full(count, count)
        order = np.lexsort((np.arange(count), rows, self.people))
        same = (np.diff(rows[order]) == 0) & (np.diff(self.people[order]) == 0)
        following[order[:-1][same]] = order[1:][same]
        gathered: list[tuple[Numbers, Numbers]] = []
        earlier = np.flatnonzero(rows >= 0)
        for lag in range(1, reach + 1):
            earlier = earlier[earlier + lag < count]
            # Of another person, or with the same item again in between: so it is with every longer lag.
            reached = (self.people[earlier + lag] == self.people[earlier]) & (
                following[earlier] > earlier + lag
            )
            earlier = earlier[reached]
            if not len(earlier):
                break
            found = earlier[rows[earlier + lag] >= 0]
            gathered.append((found + lag, found))
            if sum(len(one) for one, _ in gathered) >= at_once:
                yield _joined(gathered)
                gathered = []
        if gathered:
            yield _joined(gathered)


def _joined(parts: Sequence[tuple[Numbers, Numbers]]) -> tuple[Numbers, Numbers]:
    later, earlier = zip(*parts, strict=True)
    return np.concatenate(later), np.concatenate(earlier)
