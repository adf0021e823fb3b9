"""Simulated people. What they do depends on their seed and on what they are shown, on nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deploy.demo.tastes import TASTES, Taste

LOOKED_AT = 10
"""How far down a list a person looks, and how much they see of the shelves at once."""

LOOKS_AROUND = 4
"""How many times a person looks at random shelves at first, before they trust lists."""

BROWSES = 0.15
"""How often a person looks at random shelves later."""

TAKES = 0.75
"""How often what is to their taste gets a click, each time it is looked at."""

TURNS_DOWN = 0.06
"""How often what is not to their taste is turned down (`skip`)."""

ERRS = 0.02
"""How often what is not to their taste is clicked on all the same."""

_LIKES = 0.3  # of what is taken, the part that is liked at once

_NAMES = """
ada ali amy ana ben bea cem cho dan dee eli eva fay fox gil gia hal ida ian ivy jan joy kai kim
lea leo liv lou max may mia moe ned nia noa oda pat pia quy ray ria roy sam sky tia tom una zoe
ann bob cat vic eve gus ike jim ken lyn mel nat ola pam rex sue
"""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a person does. ``from_list``: with an item of their list, not of the shelves."""

    item_id: str
    action: str
    from_list: bool


class Person:
    """Somebody with a taste, who looks, clicks, and sometimes errs.

    Args:
        seed: With the same seed and the same lists, the same acts.
    """

    def __init__(self, user_id: str, taste: Taste, seed: int) -> None:
        self.user_id = user_id
        self.taste = taste
        self._rng = random.Random(f"{seed}/{user_id}")
        self._known: set[str] = set()
        self._acts = 0

    def act(self, shown: Sequence[str], shelves: Mapping[str, frozenset[str]]) -> Act:
        """What they do next.

        Args:
            shown: Their newest list, best first; empty while they have none.
            shelves: The labels of every item there is, by its id. Not empty.
        """
        self._acts += 1
        if shown and self._acts > LOOKS_AROUND and self._rng.random() >= BROWSES:
            shown = shown[:LOOKED_AT]
            act = self._look(shown, shelves, from_list=True) or self._browse(shelves)
            # Nothing for them here: something of the list goes.
            return act or self._turn_down(shown, shelves)
        return self._browse(shelves) or Act(self._rng.choice(sorted(shelves)), "view", from_list=False)

    def think_s(self, mean_s: float) -> float:
        """How long they take until they act again, in seconds."""
        return mean_s * self._rng.uniform(0.5, 1.5)

    def _browse(self, shelves: Mapping[str, frozenset[str]]) -> Act | None:
        offered = self._rng.sample(sorted(shelves), min(LOOKED_AT, len(shelves)))
        return self._look(offered, shelves, from_list=False)

    def _look(
        self, offered: Sequence[str], shelves: Mapping[str, frozenset[str]], *, from_list: bool
    ) -> Act | None:
        for item_id in offered:
            if item_id in self._known:
                continue
            action = self._answer(self.taste.likes(shelves.get(item_id, frozenset())))
            if action is not None:
                self._known.add(item_id)
                return Act(item_id, action, from_list)
        return None

    def _turn_down(self, shown: Sequence[str], shelves: Mapping[str, frozenset[str]]) -> Act:
        dull = [one for one in shown if not self.taste.likes(shelves.get(one, frozenset()))]
        if not dull:
            return Act(shown[0], "view", from_list=True)
        item_id = self._rng.choice(dull)
        self._known.add(item_id)
        return Act(item_id, "skip", from_list=True)

    def _answer(self, is_liked: bool) -> str | None:
        chance = self._rng.random()
        if is_liked:
            if chance >= TAKES:
                return None
            return "like" if chance < TAKES * _LIKES else "click"
        if chance < TURNS_DOWN:
            return "skip"
        return "click" if chance < TURNS_DOWN + ERRS else None


def crowd(seed: int, people_per_taste: int = 8, tastes: Sequence[Taste] = TASTES) -> list[Person]:
    """People of every taste, taste by taste. Names repeat with a number where they run out."""
    names = _names()
    return [Person(next(names), taste, seed) for taste in tastes for _ in range(people_per_taste)]


def _names() -> Iterator[str]:
    names = _NAMES.split()
    yield from names
    number = 2
    while True:
        yield from (f"{name}-{number}" for name in names)
        number += 1
