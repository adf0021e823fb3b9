"""Intervals of ratios over people: known values, and how often they hold what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import EvaluationInputError
from models.evaluation.intervals import difference, paired_difference, proportion, ratio, wilson


def test_wilson_of_known_figures() -> None:
    # Brown, Cai and DasGupta 2001: 0 of 10 and 5 of 10.
    none, half = wilson(0, 10), wilson(5, 10)
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(0.2775, abs=1e-4)
    assert (half.low, half.high) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))
    assert math.isnan(wilson(0, 0).value)


def test_a_ratio_by_hand() -> None:
    # Residuals of R = 6/12 are 0.5, 0, -0.5: s² = 0.25, D̄ = 4, var = 0.25 / (3 · 16).
    found = ratio([2.5, 2.0, 1.5], [4.0, 4.0, 4.0])
    half = 1.959964 * math.sqrt(0.25 / 48)
    assert (found.value, found.high - found.value) == (0.5, pytest.approx(half, abs=1e-6))


def test_lists_of_one_person_are_not_so_many_trials() -> None:
    # 100 people with 20 lists each, half of them always click: as sure as 100 trials, not 2,000.
    clicks, lists = [20.0] * 50 + [0.0] * 50, [20.0] * 100
    found = proportion(clicks, lists)
    independent = wilson(50, 100)
    assert found.value == 0.5
    assert found.low == pytest.approx(independent.low, abs=2e-3)
    assert found.high - found.low > 4 * (wilson(1_000, 2_000).high - wilson(1_000, 2_000).low)


def test_where_all_are_alike_a_person_is_one_trial() -> None:
    assert proportion([0.0] * 40, [5.0] * 40) == wilson(0, 40)
    assert proportion([5.0], [10.0]).high - proportion([5.0], [10.0]).low > 0.5
    assert math.isnan(proportion([], []).value)


def test_a_difference_has_a_width_where_nobody_did_anything() -> None:
    found = difference(proportion([0.0] * 50, [1.0] * 50), proportion([0.0] * 50, [1.0] * 50))
    assert found.value == 0.0
    assert found.low < 0 < found.high
    # Newcombe 1998, table II, (a): 56/70 and 48/80.
    known = difference(wilson(56, 70), wilson(48, 80))
    assert (known.low, known.high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))
    assert known.excludes_zero


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(EvaluationInputError, match="shapes"):
        ratio([1.0], [1.0, 2.0])
    with pytest.raises(EvaluationInputError, match="finite"):
        ratio([math.nan, 1.0], [1.0, 2.0])
    with pytest.raises(EvaluationInputError, match="successes"):
        proportion([3.0], [2.0])
    with pytest.raises(EvaluationInputError, match="paired"):
        paired_difference([1.0], [1.0], [1.0, 2.0], [1.0, 2.0])


def coverage(people: int, worlds: int, share_hit: float) -> tuple[float, float]:
    """How often the 95 % intervals of a rate and of a difference hold the truth; people differ much."""
    random = np.random.default_rng(3)
    held = differences_held = 0
    for _ in range(worlds):
        groups = []
        for _ in range(2):
            lists = random.integers(1, 30, people)
            # Beta(½, …): some people click nearly always, many nearly never. The mean is `share_hit`.
            rates = random.beta(0.5, 0.5 / share_hit - 0.5, people)
            groups.append(proportion(random.binomial(lists, rates), lists))
        held += groups[0].low <= share_hit <= groups[0].high
        gap = difference(*groups)
        differences_held += gap.low <= 0 <= gap.high
    return held / worlds, differences_held / worlds


@pytest.mark.parametrize(("people", "share_hit"), [(60, 0.2), (400, 0.05)])
def test_intervals_hold_the_truth_as_often_as_they_say(people: int, share_hit: float) -> None:
    # 600 worlds: a true 95 % would be within 92.3 % and 97.7 % at three standard errors.
    for share in coverage(people, 600, share_hit):
        assert 0.91 <= share <= 0.985


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=2, max_size=30),
    st.integers(2, 5),
)
def test_a_proportion_lies_in_its_interval_and_more_people_make_it_narrower(
    people: list[tuple[int, int]], times: int
) -> None:
    clicks = [float(min(clicked, lists)) for clicked, lists in people]
    lists = [float(lists) for _, lists in people]
    found = proportion(clicks, lists)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1
    more = proportion(clicks * times, lists * times)
    assert more.value == pytest.approx(found.value)
    assert more.high - more.low < found.high - found.low


def test_a_paired_difference_of_a_ratio_with_itself_is_zero_and_certain() -> None:
    above, below = [1.0, 2.0, 0.0], [3.0, 4.0, 2.0]
    found = paired_difference(above, below, above, below)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
