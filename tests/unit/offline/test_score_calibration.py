"""Scores as probabilities, on data whose probabilities are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from models.evaluation.score_calibration import ScoreCounts

PEOPLE, ITEMS = 400, 300


def counted(probability: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> ScoreCounts:
    """Scores drawn evenly within [−1, 1], and items taken with the probability of their score."""
    random = np.random.default_rng(0)
    scores = random.uniform(-1, 1, (PEOPLE, ITEMS))
    is_taken = random.random((PEOPLE, ITEMS)) < probability(scores)
    # Pairs that are none: were they counted, everything with a low score would be taken.
    is_pair = random.random((PEOPLE, ITEMS)) < 0.8
    is_taken |= ~is_pair & (scores < 0)
    counts = ScoreCounts(PEOPLE)
    for begin in range(0, PEOPLE, 150):
        block = slice(begin, begin + 150)
        users = np.arange(PEOPLE)[block]
        counts.add(users, scores[block].astype(np.float32), is_pair[block], is_taken[block])
    return counts


def test_a_logistic_truth_is_found_and_has_hardly_an_error() -> None:
    found = counted(lambda s: 1 / (1 + np.exp(-(4 * s - 5)))).calibration()
    assert found is not None
    assert found["slope"] == pytest.approx(4, abs=0.2)
    assert found["intercept"] == pytest.approx(-5, abs=0.2)
    assert found["ece"] < 0.1 * found["rate"]
    for one in found["bins"]:
        assert one["observed"] == pytest.approx(one["predicted"], rel=0.3)


def test_bins_part_the_measured_half_and_hold_about_as_many_that_were_taken() -> None:
    found = counted(lambda s: 1 / (1 + np.exp(-(4 * s - 5)))).calibration()
    assert found is not None
    bins = found["bins"]
    assert (bins[0]["from"], bins[-1]["to"]) == (-1, 1)
    assert [one["to"] for one in bins[:-1]] == [one["from"] for one in bins[1:]]
    pairs = sum(one["pairs"] for one in bins)
    assert pairs == pytest.approx(0.8 * PEOPLE * ITEMS / 2, rel=0.02)
    taken = [one["pairs"] * one["observed"] for one in bins]
    assert sum(taken) == pytest.approx(pairs * found["rate"])
    assert max(taken) < 2 * min(taken)


def test_a_truth_of_another_shape_leaves_an_error() -> None:
    found = counted(lambda s: np.where(np.abs(s) < 0.3, 0.2, 0.001)).calibration()
    assert found is not None
    assert found["ece"] > 0.5 * found["rate"]


def test_nobody_who_took_anything_leaves_nothing_to_tell() -> None:
    assert counted(lambda s: np.zeros_like(s)).calibration() is None


def test_scores_a_little_beyond_their_bounds_count_as_the_bounds() -> None:
    counts = ScoreCounts(2)
    scores = np.array([[1.000001, -1.000001], [1.0, -1.0]], np.float32)
    every, taken = np.ones((2, 2), np.bool_), np.array([[True, False], [True, False]])
    counts.add(np.arange(2), scores, every, taken)
    found = counts.calibration()
    assert found is not None
    # All that was taken has the highest score, so there is nothing to part bins by.
    assert [(one["pairs"], one["observed"]) for one in found["bins"]] == [(2, 0.5)]
    assert found["slope"] > 0


def test_one_half_of_the_people_fits_the_curve_and_the_other_is_what_it_is_held_against() -> None:
    random = np.random.default_rng(1)
    counts = ScoreCounts(2)
    is_taken = random.random((2, 4_000)) < np.array([[0.2], [0.6]])
    scores = random.uniform(-1, 1, is_taken.shape).astype(np.float32)
    counts.add(np.arange(2), scores, np.ones(is_taken.shape, np.bool_), is_taken)
    found = counts.calibration()
    assert found is not None
    predicted = sum(one["pairs"] * one["predicted"] for one in found["bins"]) / 4_000
    assert {round(predicted, 1), round(found["rate"], 1)} == {0.2, 0.6}
    assert found["ece"] == pytest.approx(0.4, abs=0.03)
