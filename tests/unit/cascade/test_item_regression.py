"""Regressions between items, against the formulas spelt out."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import ModelError
from models.interactions.log import EventLog
from models.sequence import item_regression

IDS = {number: f"i{number}" for number in range(9)}


def log_of(histories: list[list[int]], weights: list[list[float]] | None = None) -> EventLog:
    log = EventLog(1_000, 10)
    for user, history in enumerate(histories):
        for at, row in enumerate(history):
            weight = 1.0 if weights is None else weights[user][at]
            log.append(f"u{user}", row, weight, float(at))
    return log


def random_histories(seed: int) -> list[list[int]]:
    random = np.random.default_rng(seed)
    return [random.permutation(9)[: int(random.integers(2, 9))].tolist() for _ in range(7)]


def regression(gram: np.ndarray) -> np.ndarray:
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights


def test_the_gram_matrix_weighs_pairs_by_their_distance() -> None:
    histories = random_histories(1)
    gram = np.zeros((9, 9))
    for history in histories:
        for at, row in enumerate(history):
            gram[row, row] += 2.0
            for before in range(at):
                weight = 0.3 + 0.7 * 0.92 ** (at - before)
                gram[row, history[before]] += weight
                gram[history[before], row] += weight
    fitted = item_regression.fit(log_of(histories), IDS, 9)
    # n_i on the diagonal, and once more as part of the ridge.
    expected = regression(gram - np.diag(np.diag(gram)) / 2 + np.diag(500.0 + np.zeros(9)))
    np.testing.assert_allclose(fitted.weights, expected, atol=1e-6)


def test_all_of_a_history_alike() -> None:
    histories = random_histories(2)
    used = np.zeros((7, 9))
    for user, history in enumerate(histories):
        used[user, history] = 1.0
    fitted = item_regression.fit_ever(log_of(histories), IDS, 9)
    np.testing.assert_allclose(fitted.weights, regression(used.T @ used + 150.0 * np.eye(9)), atol=1e-6)


def test_what_was_liked_speaks_for_what_others_liked() -> None:
    histories = random_histories(6)
    weights = [[float(row % 3 - 1) for row in history] for history in histories]
    used = np.zeros((7, 9))
    for user, history in enumerate(histories):
        used[user, history] = [(-0.2, 0.5, 1.0)[row % 3] for row in history]
    fitted = item_regression.fit_signed(log_of(histories, weights), IDS, 9)
    np.testing.assert_allclose(fitted.weights, regression(used.T @ used + 150.0 * np.eye(9)), atol=1e-6)


def test_liking_is_what_is_above_expectation() -> None:
    histories = random_histories(3)
    random = np.random.default_rng(4)
    weights = [random.integers(-2, 3, len(history)).astype(float).tolist() for history in histories]
    table = np.full((7, 9), np.nan)
    for user, history in enumerate(histories):
        table[user, history] = weights[user]
    counts = (~np.isnan(table)).sum(axis=0)
    means = (np.nansum(table, axis=0) + 2.5) / (counts + 5.0)
    residuals = table - means
    residuals -= (np.nansum(residuals, axis=1) / ((~np.isnan(table)).sum(axis=1) + 5.0))[:, None]
    residuals = np.nan_to_num(residuals)
    fitted = item_regression.fit_liking(log_of(histories, weights), IDS, 9)
    expected = regression(residuals.T @ residuals + 200.0 * np.eye(9))
    np.testing.assert_allclose(fitted.weights, expected, atol=1e-5)


def test_only_the_items_used_most_are_covered() -> None:
    fitted = item_regression.fit(log_of([[0, 1], [1, 2], [1, 0]]), IDS, 2)
    assert fitted.item_ids == ("i0", "i1")


def test_an_empty_log_gives_an_empty_model() -> None:
    for fit in (item_regression.fit, item_regression.fit_ever, item_regression.fit_liking):
        assert fit(EventLog(5, 5), IDS, 10).item_ids == ()


def test_what_is_published_holds_the_largest_weights() -> None:
    fitted = item_regression.fit(log_of(random_histories(5)), IDS, 9)
    whole = item_regression.decode(item_regression.encode(fitted, 9))
    np.testing.assert_allclose(whole.weights, fitted.weights, rtol=1e-2, atol=1e-6)
    some = item_regression.decode(item_regression.encode(fitted, 2))
    assert ((some.weights != 0).sum(axis=1) <= 2).all()
    np.testing.assert_allclose(
        np.abs(some.weights).max(axis=1), np.abs(fitted.weights).max(axis=1), rtol=1e-2
    )
    with pytest.raises(ModelError):
        item_regression.decode(b"?")
