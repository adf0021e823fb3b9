"""Proposals of sources, and how they become one list of candidates."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.sources import best_of, unite
from models.sources.proposals import best_rows


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_the_best_that_may_be_listed_come_best_first() -> None:
    there = rows(2, -1, 0, 1)
    found = best_of(np.array([1.0, 9.0, 5.0, 7.0]), there, rows(0, 2), 5)
    assert found.tolist() == [0, 2]


@given(st.integers(0, 1_000), st.integers(1, 30))
def test_as_many_are_found_as_there_are(seed: int, budget: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.normal(size=700)
    listable = np.flatnonzero(random.random(700) < 0.02)
    found = best_of(scores, np.arange(700)[::-1], listable, budget)
    expected = [699 - row for row in np.argsort(-scores).tolist() if row in listable][:budget]
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


def test_of_very_many_that_are_equal_those_of_the_smallest_hashes_are_taken() -> None:
    hashes = np.random.default_rng(0).permutation(np.arange(1_000, dtype=np.uint64))
    scores = np.zeros(1_000)
    scores[[5, 7]] = 1.0
    best = best_rows(scores, hashes, np.arange(1_000), 6)
    equal = np.setdiff1d(np.argsort(hashes), [5, 7], assume_unique=True)[:4]
    assert set(best[:2].tolist()) == {5, 7}
    assert best[2:].tolist() == equal.tolist()
