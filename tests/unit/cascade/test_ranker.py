"""The ranker's weights and how they are learned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.errors import DimensionError, ModelError, SettingError
from models.ranking.online import OnlineLearner, OnlineSettings, place_gradient, softmax_gradient
from models.ranking.ranker import RankerWeights, decode_weights, encode_weights, standardise


def test_signals_are_centred_on_the_candidates() -> None:
    z = standardise(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32), np.array([2.0, 1.0], np.float32))
    assert z.tolist() == [[-0.5, 0.0], [0.5, 0.0]]
    assert standardise(np.zeros((0, 2), np.float32), np.ones(2, np.float32)).shape == (0, 2)


def test_weights_are_found_by_name() -> None:
    weights = RankerWeights(("always", "old"), ("a", "b"), np.array([[1, 2], [3, 4]], np.float32))
    read = decode_weights(encode_weights(weights), ("new", "always"), ("b", "c"))
    assert read.values.tolist() == [[0.0, 0.0], [2.0, 0.0]]


def test_weights_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(ModelError):
        decode_weights(b"?", ("always",), ("a",))
    bad = RankerWeights(("always",), ("a",), np.array([[np.nan]], np.float32))
    with pytest.raises(ModelError):
        decode_weights(encode_weights(bad), ("always",), ("a",))
    with pytest.raises(DimensionError):
        RankerWeights(("always",), ("a",), np.zeros((2, 1), np.float32))


@given(st.integers(0, 1_000), st.integers(2, 9))
def test_the_gradient_is_that_of_the_loss(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.normal(size=count)
    target = int(random.integers(count))
    _, gradient = softmax_gradient(scores, target)
    for at in range(count):
        step = np.zeros(count)
        step[at] = 1e-5
        change = softmax_gradient(scores + step, target)[0] - softmax_gradient(scores - step, target)[0]
        assert gradient[at] == pytest.approx(change / 2e-5, abs=1e-4)


def learn(learner: OnlineLearner, events: int, seed: int, sign: float = 1.0) -> bool:
    """Events whose target has the highest, or lowest, first signal; whether weights came back."""
    random = np.random.default_rng(seed)
    fell = False
    for _ in range(events):
        z = random.normal(size=(20, 3)).astype(np.float32)
        target = int(np.argmax(sign * z[:, 0]))
        fell |= learner.learn(z, np.array([1.0, 0.0], np.float32), target, 1.0)[1]
    return fell


def test_what_tells_targets_apart_gains_weight() -> None:
    settings = OnlineSettings(batch_events=4)
    learner = OnlineLearner(np.zeros((2, 3), np.float32), settings)
    learn(learner, 400, 0)
    assert learner.values[0, 0] > 0.5
    assert abs(learner.values[0, 1]) < 0.3
    # A gate that was never open learns nothing.
    assert not learner.values[1].any()


def test_firm_weights_give_way_less() -> None:
    firm = OnlineLearner(np.zeros((2, 3), np.float32), OnlineSettings(batch_events=1, prior_curvature=1e3))
    loose = OnlineLearner(np.zeros((2, 3), np.float32), OnlineSettings(batch_events=1, prior_curvature=1e2))
    for learner in (firm, loose):
        learn(learner, 1, 0)
    assert 0 < np.abs(firm.values).max() < 0.2 * np.abs(loose.values).max()


def choose(learner: OnlineLearner, true: NDArray[np.float64], events: int, seed: int) -> None:
    """Events of a conditional logit: the loss, with the place's part off, is its likelihood."""
    random = np.random.default_rng(seed)
    for _ in range(events):
        z = random.normal(size=(10, 3)).astype(np.float32)
        target = int(np.argmax(z @ true + random.gumbel(size=10)))
        learner.learn(z, np.ones(1, np.float32), target, 1.0)


def test_learned_weights_take_over_with_events() -> None:
    start = np.ones((2, 3), np.float32)
    learner = OnlineLearner(start, OnlineSettings(batch_events=5, warm_up_events=200))
    np.testing.assert_array_equal(learner.served, start)
    learn(learner, 50, 0)
    np.testing.assert_allclose(learner.served, 0.75 * start + 0.25 * learner.values)
    learn(learner, 150, 1)
    assert not np.allclose(learner.values, start)
    np.testing.assert_array_equal(learner.served, learner.values)


def test_one_pass_finds_what_all_events_together_say() -> None:
    true = np.array([0.8, -0.4, 0.0])
    settings = OnlineSettings(prior_curvature=1.0, memory_events=1e6, batch_events=8, place_weight=0.0)
    learner = OnlineLearner(np.zeros((1, 3), np.float32), settings)
    choose(learner, true, 3_000, 7)
    # The standard error of an estimate from 3,000 such lists is 0.02.
    np.testing.assert_allclose(learner.values[0], true, atol=0.08)


def test_what_was_learned_long_ago_fades() -> None:
    settings = OnlineSettings(
        memory_events=200, prior_curvature=1.0, max_step=1.0, place_weight=0.0, drift_ratio=1e9
    )
    forgetful = OnlineLearner(np.zeros((1, 3), np.float32), settings)
    firm = OnlineLearner(np.zeros((1, 3), np.float32), replace(settings, memory_events=1e9))
    for learner in (forgetful, firm):
        choose(learner, np.array([1.0, 0.0, 0.0]), 1_000, 1)
        choose(learner, np.array([-1.0, 0.0, 0.0]), 500, 2)
    assert forgetful.values[0, 0] < -0.5 < 0 < firm.values[0, 0]


@given(st.integers(2, 40), st.integers(1, 25), st.integers(0, 1_000))
def test_the_slope_of_the_hit_rate_is_its_derivative(size: int, place: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, target = random.permutation(size) / 4.0, int(random.integers(size))
    hit, other, slope = place_gradient(scores, target, place)
    if other < 0:
        assert size - 1 < place
        assert (hit, slope) == (1.0, 0.0)
        return
    assert sorted(np.delete(scores, target), reverse=True)[place - 1] == scores[other]
    step = np.zeros(size)
    step[target] = 1e-5
    change = place_gradient(scores + step, target, place)[0] - place_gradient(scores - step, target, place)[0]
    assert slope == pytest.approx(change / 2e-5, rel=1e-4)


def test_a_target_near_the_last_place_is_pushed_further() -> None:
    random = np.random.default_rng(0)
    z, gates = random.normal(size=(60, 3)).astype(np.float32), np.ones(1, np.float32)
    start = np.array([[1.0, 0.5, -0.5]], np.float32)
    target = int(np.argsort(-(z @ start[0]))[24])
    gains = []
    for weight in (0.0, 1.0):
        learner = OnlineLearner(start, OnlineSettings(batch_events=1, place_weight=weight))
        learner.learn(z, gates, target, 1.0)
        scores = z @ learner.values[0]
        gains.append(scores[target] - np.sort(np.delete(scores, target))[-20])
    assert gains[1] > gains[0]


def test_no_event_moves_a_weight_by_more_than_the_bound() -> None:
    settings = OnlineSettings(prior_curvature=1e-3, max_step=0.01, batch_events=1)
    learner = OnlineLearner(np.zeros((2, 3), np.float32), settings)
    for seed in range(5):
        before = learner.values.copy()
        learn(learner, 1, seed)
        assert np.abs(learner.values - before).max() <= 0.01 + 1e-7


def test_a_ranker_that_drifts_falls_back() -> None:
    settings = OnlineSettings(prior_curvature=1.0, batch_events=1, drift_window_events=100)
    learner = OnlineLearner(np.zeros((2, 3), np.float32), settings)
    assert not learn(learner, 600, 1)
    good = learner.values.copy()
    assert learn(learner, 100, 2, sign=-1.0)
    np.testing.assert_array_equal(learner.values, good)


def test_a_loss_that_is_higher_for_good_rings_once() -> None:
    """As where a catalogue has grown: among 400 candidates one is harder to tell than among 20."""
    settings = OnlineSettings(drift_window_events=50)
    learner = OnlineLearner(np.zeros((1, 3), np.float32), settings)
    random = np.random.default_rng(3)
    rang = []
    for event in range(1_000):
        candidates = 20 if event < 300 else 400
        z = random.normal(size=(candidates, 3)).astype(np.float32)
        rang.append(learner.learn(z, np.ones(1, np.float32), int(random.integers(candidates)), 1.0)[1])
    assert sum(rang) == 1
    assert rang[349]


def test_signals_that_are_no_numbers_take_nothing_away() -> None:
    learner = OnlineLearner(np.zeros((2, 3), np.float32), OnlineSettings(batch_events=4))
    learn(learner, 400, 0)
    before = learner.values.copy()
    broken = np.full((5, 3), np.nan, np.float32)
    loss, fell_back = learner.learn(broken, np.array([1.0, 0.0], np.float32), 0, 1.0)
    assert not np.isfinite(loss)
    assert not fell_back
    np.testing.assert_array_equal(learner.values, before)


def test_a_successor_goes_on_as_the_writer_would_have() -> None:
    settings = OnlineSettings(batch_events=4, drift_window_events=50)
    one = OnlineLearner(np.zeros((2, 3), np.float32), settings)
    learn(one, 130, 3)
    other = OnlineLearner(np.ones((2, 3), np.float32), settings)
    other.restore(one.state())
    for learner in (one, other):
        learn(learner, 60, 4)
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.served, other.served)
    assert one.steps == other.steps == 190
    with pytest.raises(ModelError):
        other.restore(b"?")
    with pytest.raises(ModelError):
        OnlineLearner(np.zeros((1, 1), np.float32), settings).restore(one.state())


def test_settings_out_of_bounds_are_refused() -> None:
    with pytest.raises(SettingError):
        OnlineSettings(prior_curvature=0.0)
    with pytest.raises(SettingError):
        OnlineSettings(memory_events=0.5)
    with pytest.raises(SettingError):
        OnlineSettings(batch_events=0)
