"""Popularity bias and calibration, against SciPy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from models.evaluation.full_ranking import NO_ITEM
from models.evaluation.popularity_bias import (
    CALIBRATION_ALPHA,
    class_shares_of_histories,
    class_shares_of_lists,
    history_means,
    list_means,
    miscalibration,
    popularity_lift,
)
from tests.unit.offline.worlds import matrix

WEIGHTS = st.lists(st.integers(0, 5), min_size=4, max_size=4)
# Items of action, of romance, and of both.
CLASSES = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])


def test_lists_twice_as_popular_as_histories_have_a_lift_of_one() -> None:
    counts = np.array([10, 20, 30])
    of_lists = list_means(np.array([[1, NO_ITEM], [2, 0]]), counts)
    of_histories = history_means(matrix([(0, 0), (1, 0)], (2, 3)), counts)
    assert (of_lists.tolist(), of_histories.tolist()) == ([20, 20], [10, 10])
    assert popularity_lift(of_lists, of_histories) == pytest.approx(1.0)


def test_people_without_a_list_or_a_history_are_left_out_of_the_lift() -> None:
    counts = np.array([10, 20, 30])
    of_lists = list_means(np.array([[NO_ITEM], [1], [2]]), counts)
    of_histories = history_means(matrix([(0, 0), (2, 1)], (3, 3)), counts)
    assert np.isnan(of_lists).tolist() == [True, False, False]
    assert popularity_lift(of_lists, of_histories) == pytest.approx(30 / 20 - 1)
    assert popularity_lift(of_lists[:2], of_histories[:2]) is None


def test_steck_s_example_70_of_romance_and_30_of_action() -> None:
    """A list of romance alone for a person who took 7 films of it and 3 of action is far from calibrated."""
    p = class_shares_of_histories(matrix([(0, 0)] * 3, (1, 3)) + matrix([(0, 1)] * 7, (1, 3)), CLASSES)
    assert p == pytest.approx(np.array([[0.3, 0.7]]))
    q = class_shares_of_lists(np.array([[1, 1, 1, NO_ITEM]]), CLASSES)
    assert q.tolist() == [[0.0, 1.0]]
    assert miscalibration(p, q)[0] == pytest.approx(0.3 * np.log(0.3 / 0.003) + 0.7 * np.log(0.7 / 0.997))
    assert miscalibration(p, p) == pytest.approx(np.zeros(1), abs=1e-12)


def test_an_item_shares_itself_out_among_its_classes() -> None:
    assert class_shares_of_lists(np.array([[0, 2]]), CLASSES).tolist() == [[0.75, 0.25]]


@given(WEIGHTS, WEIGHTS)
def test_the_divergence_is_scipy_s(history: list[int], shown: list[int]) -> None:
    identity = np.eye(4)
    own = matrix([(0, item) for item, count in enumerate(history) for _ in range(count)], (1, 4))
    lists = np.array([[item for item, count in enumerate(shown) for _ in range(count)] or [NO_ITEM]])
    p, q = class_shares_of_histories(own, identity), class_shares_of_lists(lists, identity)
    (found,) = miscalibration(p, q).tolist()
    if not sum(history) or not sum(shown):
        assert np.isnan(found)
        return
    blended = (1 - CALIBRATION_ALPHA) * q[0] + CALIBRATION_ALPHA * p[0]
    assert found == pytest.approx(float(entropy(p[0], blended)), abs=1e-12)
    assert found >= -1e-12
