"""New items: those that go with what the person did by lift, and the nearest to their taste of the newest."""

from __future__ import annotations

import numpy as np

from models.cascade.cascade import Cascade
from models.cascade.settings import CascadeSettings
from models.retrieval.index import ItemIndex
from models.sources.new_items import propose
from tests.unit.cascade.people import START_MS, event, person

DAY_MS = 86_400_000


def vector(index: ItemIndex, axis: int) -> np.ndarray:
    made = np.zeros(index.dimension, np.float32)
    made[axis] = 1.0
    return made


def cascade() -> Cascade:
    """`hit` is used by all, `rare` by two people, both after `seed`; `fresh-…` by nobody."""
    index = ItemIndex()
    for number, item_id in enumerate(("seed", "hit", "rare", "fresh-like", "fresh-unlike", "old")):
        created_at_ms = START_MS + (DAY_MS if item_id.startswith("fresh") else -number * DAY_MS)
        index.upsert(
            item_id,
            vector(index, {"fresh-like": 0, "seed": 0}.get(item_id, number)),
            created_at_ms=created_at_ms,
        )
    made = Cascade(index, CascadeSettings())
    for number in range(12):
        user, at = f"u{number}", 1_000.0 * number
        made.observe(person(user, now_s=at), event(user, "seed", at))
        entries = [("seed", 1.0, at)]
        made.observe(person(user, entries, at + 5), event(user, "hit", at + 5))
        if number < 2:
            entries.append(("hit", 1.0, at + 5))
            made.observe(person(user, entries, at + 9), event(user, "rare", at + 9))
    return made


def proposed(made: Cascade, *history: str, budget: int = 4) -> list[str]:
    entries = [(item_id, 1.0, 20_000.0 + at) for at, item_id in enumerate(history)]
    eligible = np.ones(made.index.rows, np.bool_)
    eligible[made.index.rows_of(history)] = False
    rows = propose(made._signals(person("me", entries, 20_100.0)), eligible, budget)
    return [made.index.item_id(row) for row in rows.tolist()]


def test_what_goes_with_the_history_and_the_newest_near_to_the_taste_take_turns() -> None:
    found = proposed(cascade(), "seed")
    assert found[0] == "rare"
    assert found[1] == "fresh-like"
    assert "hit" not in found, "twelve people liked it: it is not new"
    assert len(set(found)) == len(found)


def test_a_stranger_is_proposed_new_items_too() -> None:
    assert set(proposed(cascade(), budget=3)) & {"fresh-like", "fresh-unlike"}


def test_the_budget_holds() -> None:
    made = cascade()
    assert [len(proposed(made, "seed", budget=budget)) for budget in (1, 2, 3)] == [1, 2, 3]
