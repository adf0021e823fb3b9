"""Proposals of sources, and rows of one collection as rows of another."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.retrieval.row_link import RowLink
from models.sources import best_eligible, unite
from models.sources.proposals import best_rows


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_the_best_eligible_items_come_best_first() -> None:
    there = rows(2, -1, 0, 1)
    eligible = np.array([True, False, True])
    found = best_eligible(np.array([1.0, 9.0, 5.0, 7.0]), lambda here: there[here], eligible, 5)
    assert found.tolist() == [0, 2]


@given(st.integers(0, 1_000), st.integers(1, 30))
def test_as_many_are_found_as_there_are(seed: int, budget: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.normal(size=700)
    eligible = random.random(700) < 0.02
    found = best_eligible(scores, lambda here: here, eligible, budget)
    expected = [row for row in np.argsort(-scores).tolist() if eligible[row]][:budget]
    assert found.tolist() == expected


def test_sources_are_marked_and_each_item_is_there_once() -> None:
    united = unite([rows(4, 1), rows(1, 2)], [2, 2], 10)
    assert united.rows.tolist() == [1, 2, 4]
    assert united.sources.tolist() == [3, 2, 1]


def test_of_too_many_the_highest_of_each_list_stay() -> None:
    united = unite([rows(10, 11, 12, 13), rows(20, 21)], [4, 2], 3)
    assert united.rows.tolist() == [10, 11, 20]


def test_nothing_proposed_is_nothing() -> None:
    assert unite([rows(), rows()], [1, 1], 3).rows.tolist() == []


def test_what_was_not_there_is_looked_up_again_once_something_has_come() -> None:
    here, there = np.array([5, 6], np.uint64), np.array([9], np.uint64)
    asked: list[int] = []

    def look_up(row: int) -> int | None:
        asked.append(row)
        return 1 if len(there) == 2 and row == 1 else None

    link = RowLink()
    rows = np.array([0, 1])
    assert link.rows(rows, here, there, look_up, version=1).tolist() == [-1, -1]
    assert link.rows(rows, here, there, look_up, version=1).tolist() == [-1, -1]
    assert asked == [0, 1]
    there = np.array([9, 6], np.uint64)
    assert link.rows(rows, here, there, look_up, version=2).tolist() == [-1, 1]
    # Another item in a row here was never looked up.
    here = np.array([7, 6], np.uint64)
    asked.clear()
    assert link.rows(rows, here, there, look_up, version=2).tolist() == [-1, 1]
    assert asked == [0]


def test_a_link_follows_items_that_move() -> None:
    link = RowLink()
    here = np.array([7, 8, 9], np.uint64)
    there = np.array([9, 7], np.uint64)
    places = {0: 1, 2: 0}
    assert link.rows(rows(0, 1, 2), here, there, places.get).tolist() == [1, -1, 0]
    moved = np.array([7, 8, 9], np.uint64)
    places = {0: 0, 1: 1, 2: 2}
    assert link.rows(rows(2, 1, 0), here, moved, places.get).tolist() == [2, 1, 0]
    # Remembered now: nothing is looked up.
    assert link.rows(rows(2, 1, 0), here, moved, {}.get).tolist() == [2, 1, 0]
    # Another item took a row over here.
    here = np.array([7, 5, 9], np.uint64)
    assert link.rows(rows(1), here, moved, {}.get).tolist() == [-1]


def test_of_very_many_that_are_equal_those_of_the_smallest_hashes_are_taken() -> None:
    hashes = np.random.default_rng(0).permutation(np.arange(1_000, dtype=np.uint64))
    scores = np.zeros(1_000)
    scores[[5, 7]] = 1.0
    best = best_rows(scores, hashes, 6)
    equal = np.setdiff1d(np.argsort(hashes), [5, 7], assume_unique=True)[:4]
    assert set(best[:2].tolist()) == {5, 7}
    assert best[2:].tolist() == equal.tolist()
