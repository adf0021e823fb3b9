"""Intervals over people."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.bootstrap import interval_over_users, intervals_of_ratios


def test_the_same_seed_gives_the_same_interval() -> None:
    random = np.random.default_rng(3)
    users, values = random.integers(0, 50, 500), random.random(500)
    one, again = interval_over_users(users, values, 7), interval_over_users(users, values, 7)
    assert one == again
    assert one is not None
    assert one != interval_over_users(users, values, 8)
    assert one.low < one.mean < one.high
    assert one.mean == pytest.approx(values.mean())


def test_people_are_drawn_and_not_events() -> None:
    # 20 people with 50 equal events each: 20 independent observations, not 1,000.
    users = np.repeat(np.arange(20), 50)
    by_user = np.random.default_rng(1).integers(0, 2, 20).astype(float)
    found = interval_over_users(users, by_user[users], 1)
    assert found is not None
    assert found.standard_error == pytest.approx(by_user.std() / np.sqrt(20), rel=0.15)


def test_an_interval_of_independent_events_is_the_textbook_one() -> None:
    values = np.random.default_rng(5).normal(size=2_000)
    found = interval_over_users(np.arange(2_000), values, 1)
    assert found is not None
    assert found.standard_error == pytest.approx(values.std() / np.sqrt(2_000), rel=0.1)
    assert found.high - found.low == pytest.approx(2 * 1.96 * found.standard_error, rel=0.1)


def test_numbers_without_an_event_are_no_people() -> None:
    users, values = np.array([0, 5, 9]), np.array([0.0, 0.5, 1.0])
    found = interval_over_users(users, values, 1)
    packed = interval_over_users(np.array([0, 1, 2]), values, 1)
    assert found == packed


def test_without_events_there_is_no_interval() -> None:
    assert interval_over_users(np.array([], np.int64), np.array([]), 1) is None


def test_a_ratio_s_interval_has_the_error_of_the_delta_method() -> None:
    # Var(ȳ/x̄) ≈ Var(y − r x) / (n x̄²): Cochran 1977, eq. 2.39.
    random = np.random.default_rng(4)
    below = random.uniform(1.0, 3.0, 2_000)
    above = 2.0 * below + random.normal(size=2_000)
    found, none = intervals_of_ratios(
        np.stack([above, above], axis=1), np.stack([below, np.zeros(2_000)], axis=1), 1
    )
    assert none is None
    assert found is not None
    ratio = above.sum() / below.sum()
    assert found.mean == pytest.approx(ratio)
    expected = (above - ratio * below).std() / np.sqrt(2_000) / below.mean()
    assert found.standard_error == pytest.approx(expected, rel=0.1)


def test_people_for_whom_a_metric_does_not_exist_do_not_count() -> None:
    values = np.random.default_rng(2).random(300)
    exists = np.arange(300) % 3 > 0
    (found,) = intervals_of_ratios(np.where(exists, values, 0.0)[:, None], exists[:, None].astype(float), 1)
    assert found is not None
    assert found.mean == pytest.approx(values[exists].mean())
    assert found.standard_error == pytest.approx(values[exists].std() / np.sqrt(200), rel=0.15)
