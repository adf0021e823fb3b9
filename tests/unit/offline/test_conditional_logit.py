"""Weights of signals from choices."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.errors import TrainingError
from models.offline.conditional_logit import Choices, fit_conditional_logit

WEIGHTS = np.array([1.5, -0.7, 0.2])


def drawn(count: int, items: int = 12, seed: int = 0) -> Choices:
    """Choices that people of `WEIGHTS` make, a quarter of the items closed to each."""
    random = np.random.default_rng(seed)
    signals = random.standard_normal((count, items, len(WEIGHTS))).astype(np.float32)
    is_open = random.random((count, items)) < 0.75
    is_open[:, 0] = True
    # The largest of utilities with Gumbel noise is chosen with the probabilities of the model.
    utilities = np.where(is_open, signals @ WEIGHTS + random.gumbel(size=(count, items)), -np.inf)
    return Choices(signals, is_open, utilities.argmax(axis=1))


def coin(heads: int, tails: int) -> Choices:
    """Two items, of which one has the signal; it was chosen so many times."""
    chosen: NDArray[np.int64] = np.repeat(np.array([0, 1]), [heads, tails])
    signals = np.broadcast_to(np.array([[1.0], [0.0]], np.float32), (len(chosen), 2, 1))
    return Choices(signals, np.ones((len(chosen), 2), np.bool_), chosen)


def test_it_finds_the_weights_by_which_people_chose() -> None:
    fit = fit_conditional_logit([drawn(4_000)])
    assert (np.abs(fit.weights - WEIGHTS) < 3 * fit.standard_errors).all()
    assert (fit.standard_errors < 0.05).all()


def test_of_two_items_the_weight_is_the_logarithm_of_the_odds() -> None:
    fit = fit_conditional_logit([coin(heads=30, tails=10)])
    assert fit.weights[0] == pytest.approx(np.log(3), abs=1e-5)
    # The curvature is n p (1 − p).
    assert fit.standard_errors[0] == pytest.approx((40 * 0.75 * 0.25) ** -0.5, rel=1e-4)
    assert fit.log_likelihood == pytest.approx(0.75 * np.log(0.75) + 0.25 * np.log(0.25))


def test_what_closed_items_are_like_does_not_matter() -> None:
    choices = drawn(300)
    others = np.where(choices.is_open[:, :, None], choices.signals, np.float32(50))
    fit = fit_conditional_logit([choices])
    again = fit_conditional_logit([Choices(others, choices.is_open, choices.chosen)])
    np.testing.assert_allclose(again.weights, fit.weights, atol=1e-6)


def test_blocks_of_choices_are_one_set() -> None:
    whole, parts = [drawn(200)], [drawn(200)]
    first = parts[0]
    parts = [
        Choices(first.signals[cut], first.is_open[cut], first.chosen[cut])
        for cut in (slice(70), slice(70, 200))
    ]
    np.testing.assert_allclose(
        fit_conditional_logit(parts).weights, fit_conditional_logit(whole).weights, rtol=1e-6
    )


def test_of_signals_that_say_the_same_each_gets_a_share() -> None:
    once = coin(heads=30, tails=10)
    twice = Choices(np.repeat(once.signals, 2, axis=2), once.is_open, once.chosen)
    np.testing.assert_allclose(fit_conditional_logit([twice]).weights, np.log(3) / 2, atol=1e-5)


def test_signals_that_tell_every_choice_are_refused() -> None:
    with pytest.raises(TrainingError, match="tell every choice"):
        fit_conditional_logit([coin(heads=40, tails=0)])


def test_without_choices_there_is_nothing_to_fit() -> None:
    with pytest.raises(TrainingError, match="no choice"):
        fit_conditional_logit([])
