"""Coverage, diversity and novelty against what their formulas say, written out."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.list_metrics import (
    ListMetrics,
    attribute_diversity,
    intra_list_diversity,
    novelty,
)


def test_a_list_of_one_kind_has_no_diversity_and_of_opposites_the_most() -> None:
    same = np.array([[1.0, 0.0], [2.0, 0.0]])
    assert intra_list_diversity(same) == pytest.approx(0.0)
    assert intra_list_diversity(np.array([[1.0, 0.0], [0.0, 1.0]])) == pytest.approx(1.0)
    assert intra_list_diversity(np.array([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(2.0)


def test_items_without_a_vector_form_no_pairs() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    assert intra_list_diversity(vectors) == pytest.approx(1.0)
    assert intra_list_diversity(vectors[:2]) is None


@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_diversity_is_the_mean_over_pairs(count: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(count, 5))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [1 - float(one @ other) for one, other in combinations(unit, 2)]
    assert intra_list_diversity(vectors) == pytest.approx(np.mean(pairs))


def test_attribute_diversity_is_the_share_of_pairs_without_a_common_value() -> None:
    films = [{"genres": ["drama", "war"]}, {"genres": ["war"]}, {"genres": ["comedy"]}, {}]
    # Of three pairs, as the film without genres forms none, one shares a genre.
    assert attribute_diversity(["genres"], films) == pytest.approx(2 / 3)
    assert attribute_diversity(["genres"], films[2:]) is None
    assert attribute_diversity(["genres"], films[:2]) == 0.0


def test_lists_are_measured_by_the_attributes_that_are_named() -> None:
    kinds = [{"kind": "a"}, {"kind": "a"}, {"kind": "b"}]
    metrics, without = ListMetrics(2, ["kind"]), ListMetrics(2)
    for one in (metrics, without):
        for rows in ([0, 1, 2], [1, 2]):
            one.add(np.array(rows), np.eye(3), np.zeros(3, np.int64), 3, lambda row: kinds[row])
    assert metrics.values()["attribute_diversity@2"] == pytest.approx(1 / 2)
    assert without.values()["attribute_diversity@2"] is None


def test_novelty_is_in_bits() -> None:
    # 7 + 1 of 15 + 1 events: one in two, one bit; an item without events is one in 16, four bits.
    assert novelty(np.array([7]), total=15, items=1) == pytest.approx(1.0)
    assert novelty(np.array([0, 7]), total=14, items=2) == pytest.approx((4.0 + 1.0) / 2)
    assert novelty(np.array([], np.int64), total=3, items=2) is None


def test_lists_cover_the_items_that_any_of_them_holds() -> None:
    metrics = ListMetrics(2)
    vectors, counts = np.eye(5), np.zeros(5, np.int64)
    metrics.add(np.array([0, 1, 4]), vectors, counts, items=5)
    metrics.add(np.array([1, 2]), vectors, counts, items=5)
    values = metrics.values()
    assert values["coverage@2"] == pytest.approx(3 / 5)
    assert values["diversity@2"] == pytest.approx(1.0)
    assert values["novelty@2"] == pytest.approx(math.log2(5))


def test_items_that_come_later_count_too() -> None:
    metrics = ListMetrics(2)
    metrics.add(np.array([0]), np.eye(1), np.zeros(1, np.int64), items=1)
    metrics.add(np.array([3]), np.eye(4), np.zeros(4, np.int64), items=4)
    assert metrics.values()["coverage@2"] == pytest.approx(2 / 4)


def test_without_lists_there_is_nothing_to_say() -> None:
    assert ListMetrics(20).values() == dict.fromkeys(
        ["coverage@20", "diversity@20", "attribute_diversity@20", "novelty@20"]
    )
