"""Simulated people. What they do depends on their seed and on what they are shown, on nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deploy.demo.tastes import TASTES, Taste

LOOKED_AT = 10
"""How far down a list a person looks, and how much they see of the shelves at once."""

BROWSES = 0.1
"""How often a person looks at random shelves, and not at their list."""

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

    def act(self, shown: Sequence[str], shelves: Mapping[str, frozenset[str]]) -> Act:
        """What they do next.

        Args:
            shown: Their newest list, best first; empty while they have none.
            shelves: The labels of every item there is, by its id. Not empty.
        """
        rng = self._rng
        from_list = bool(shown) and rng.random() >= BROWSES
        if from_list:
            offered = list(shown[:LOOKED_AT])
        else:
            offered = rng.sample(sorted(shelves), min(LOOKED_AT, len(shelves)))
        for item_id in offered:
            if item_id in self._known:
                continue
            action = self._answer(self.taste.likes(shelves.get(item_id, frozenset())))
            if action is not None:
                self._known.add(item_id)
                return Act(item_id, action, from_list)
        return Act(rng.choice(offered), "view", from_list)

    def think_s(self, mean_s: float) -> float:
        """How long they take until they act again, in seconds."""
        return mean_s * self._rng.uniform(0.5, 1.5)

    def _answer(self, is_liked: bool) -> str | None:
        chance = self._rng.random()
        if is_liked:
            if chance >= TAKES:
                return None
            return "like" if chance < TAKES * _LIKES else "click"
        if chance < TURNS_DOWN:
            return "skip"
        return "click" if chance < TURNS_DOWN + ERRS else None


def crowd(seed: int, people_per_taste: int = 6, tastes: Sequence[Taste] = TASTES) -> list[Person]:
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
