"""Interests: what a person likes falls into at most three, and each has its share of the budget."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.cascade.cascade import Cascade
from models.cascade.settings import SOURCES, CascadeSettings
from models.retrieval.index import ItemIndex
from models.sources.interests import propose
from models.sources.registry import REGISTRY
from models.user.multi_interest import INTERESTS, cluster
from tests.unit.cascade.people import START_MS, event, person

GROUPS = 4


def test_every_source_of_the_settings_is_there_in_their_order() -> None:
    assert tuple(REGISTRY) == SOURCES


def near(axis: int, random: np.random.Generator, dimension: int) -> np.ndarray:
    """A unit vector near an axis."""
    vector = random.normal(scale=0.1 / np.sqrt(dimension), size=dimension)
    vector[axis] += 1.0
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@given(st.integers(0, 1_000), st.integers(1, 30))
def test_each_entry_is_in_one_interest(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    vectors = np.stack([near(int(random.integers(GROUPS)), random, 8) for _ in range(count)])
    weights = random.uniform(0.1, 2.0, count).astype(np.float32)
    members = cluster(vectors, weights)
    assert 1 <= len(members) <= INTERESTS
    np.testing.assert_array_equal((members > 0).sum(axis=0), np.ones(count))
    np.testing.assert_array_equal(members.sum(axis=0), weights)
    assert members.any(axis=1).all()


def test_entries_of_one_kind_are_one_interest_and_of_three_kinds_three() -> None:
    random = np.random.default_rng(0)
    kinds = np.array([0, 1, 0, 2, 1, 2, 0])
    vectors = np.stack([near(axis, random, 8) for axis in kinds])
    assert len(cluster(vectors[kinds == 0], np.ones(3, np.float32))) == 1
    members = cluster(vectors, np.ones(7, np.float32))
    assert sorted(kinds[one > 0].tolist() for one in members) == [[0, 0, 0], [1, 1], [2, 2]]


def cascade() -> Cascade:
    """Ten items of each of four groups: g0-0, g0-1 …"""
    random, index = np.random.default_rng(0), ItemIndex()
    for group in range(GROUPS):
        for number in range(10):
            vector = near(group, random, index.dimension)
            index.upsert(f"g{group}-{number}", vector, created_at_ms=START_MS)
    made = Cascade(index, CascadeSettings())
    for group in range(GROUPS):
        made.observe(person("other"), event("other", f"g{group}-0", 0.0))
    return made


def proposed(made: Cascade, weights: dict[str, float], budget: int) -> list[str]:
    """Groups of the items proposed to somebody with these entries, oldest first."""
    entries = [(item_id, weight, float(at)) for at, (item_id, weight) in enumerate(weights.items())]
    eligible = np.ones(made.index.rows, np.bool_)
    eligible[made.index.rows_of(weights)] = False
    rows = propose(made._signals(person("u", entries, 100.0)), eligible, budget)
    assert eligible[rows].all()
    assert len(set(rows.tolist())) == len(rows)
    return [made.index.item_id(row)[:2] for row in rows.tolist()]


def test_each_interest_has_its_share() -> None:
    made = cascade()
    groups = proposed(made, {"g0-0": 1.0, "g1-0": 1.0, "g2-0": -1.0}, 8)
    assert {group: groups.count(group) for group in set(groups)} == {"g0": 4, "g1": 4}
    # The heavier one leads, and has more.
    groups = proposed(made, {"g0-0": 3.0, "g1-0": 1.0}, 8)
    assert groups[0] == "g0"
    assert groups.count("g0") > groups.count("g1") > 0


def test_who_likes_nothing_is_proposed_nothing() -> None:
    made = cascade()
    assert proposed(made, {}, 8) == []
    assert proposed(made, {"g0-0": -1.0}, 8) == []


def test_a_budget_beyond_the_catalogue_gives_all_that_is_eligible() -> None:
    assert len(proposed(cascade(), {"g0-0": 1.0, "g1-0": 1.0}, 500)) == GROUPS * 10 - 2
