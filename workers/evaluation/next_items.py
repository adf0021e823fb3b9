"""What people chose next, and the list that they had at that moment: a log replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.datasets import DatasetEvent
from models.evaluation.bootstrap import Interval, interval_over_users
from models.profile import Profile
from models.ranking import ListResult
from models.retrieval import ItemIndex
from streams.settings import Settings
from workers.evaluation.contenders import make_contender, serving_side
from workers.evaluation.people import People
from workers.evaluation.twin import Twin
from workers.model_settings import transition_settings


@dataclass(frozen=True, slots=True)
class NextItem:
    """A choice.

    Attributes:
        profile: The person just before it.
        result: The list that their event before it caused.
        item_id: What they chose.
    """

    profile: Profile
    result: ListResult
    item_id: str

    @property
    def place(self) -> int | None:
        """Where it stood in the list, from 0; None where it did not."""
        return place_of(self.item_id, self.result)


def place_of(item_id: str, result: ListResult) -> int | None:
    """Where an item stands in a list, from 0; None where it does not."""
    return next((place for place, one in enumerate(result.items) if one.item_id == item_id), None)


def next_items(
    index: ItemIndex,
    events: Sequence[DatasetEvent],
    settings: Settings,
    ranker: str,
    warm_up: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[NextItem]:
    """Every positive event after the warm-up whose person had a list; as the roles would have made it."""
    chosen = settings.model_copy(
        update={"recommend": settings.recommend.model_copy(update={"ranker": ranker})}
    )
    transitions = transition_settings(settings.profile)
    serving, lists = serving_side(index, chosen, "space")
    twin = Twin(
        index,
        make_contender(ranker, index, chosen),
        serving,
        lists,
        transitions,
        settings.recommend.list_count,
    )
    people = People(transitions)
    newest: dict[str, ListResult] = {}
    for number, event in enumerate(events):
        applied = people.apply(event)
        held = newest.get(event.user_id)
        if number >= warm_up and held is not None and applied.interaction.weight > 0:
            yield NextItem(applied.before.profile, held, event.item_id)
        newest[event.user_id] = twin.step(event).result
        on_progress(number + 1, len(events))


def reciprocal_rank(place: int | None) -> float:
    """1 for the first place, 1/2 for the second; 0 where it is not in the list."""
    return 0.0 if place is None else 1.0 / (place + 1)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Places of the same choices in two lists each.

    Attributes:
        before: Metric → mean, of the lists as they are.
        after: Likewise, of the lists that are tried.
        difference: Of the reciprocal ranks, after − before, with an interval over people.
    """

    cases: int
    people: int
    before: dict[str, float]
    after: dict[str, float]
    difference: Interval | None


def compare(users: Sequence[str], before: Sequence[int | None], after: Sequence[int | None]) -> Comparison:
    """Compare places choice by choice; ``users`` says whose each is."""
    numbers = {user: number for number, user in enumerate(dict.fromkeys(users))}
    gained = [reciprocal_rank(new) - reciprocal_rank(old) for old, new in zip(before, after, strict=True)]
    return Comparison(
        cases=len(users),
        people=len(numbers),
        before=_means(before),
        after=_means(after),
        difference=interval_over_users(
            np.array([numbers[user] for user in users], np.int64), np.array(gained, np.float64), seed=1
        ),
    )


def _means(places: Sequence[int | None]) -> dict[str, float]:
    def share(below: int) -> float:
        return sum(place is not None and place < below for place in places) / max(1, len(places))

    ranks = [reciprocal_rank(place) for place in places]
    return {"mrr": sum(ranks) / max(1, len(ranks)), "hr@1": share(1), "hr@5": share(5), "hr@20": share(20)}
