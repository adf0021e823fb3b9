"""Off-policy estimates against the truth of simulated people, whom the target policy is shown for real."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.errors import EvaluationInputError
from models.evaluation.off_policy import evaluate_policy, greedy_target, uniform_target

CANDIDATES, PLACES, EPSILON = 8, 3, 0.3
EXPLORED = 5
NEVER = math.inf


def test_by_hand() -> None:
    # Weights 2, 0, 2; rewards 1, 1, 0.
    found = evaluate_policy([0, 1, 2], [1, 1, 0], [0.5, 0.5, 0.25], [1, 0, 0.5], clip=NEVER)
    assert found.logged.value == pytest.approx(2 / 3)
    assert found.ips.value == pytest.approx(2 / 3)
    assert found.snips.value == pytest.approx(0.5)
    assert found.difference.value == pytest.approx(0.5 - 2 / 3)
    assert (found.weight_mean, found.weight_max) == (pytest.approx(4 / 3), 2.0)
    assert found.effective_places == pytest.approx(16 / 8)
    clipped = evaluate_policy([0, 1, 2], [1, 1, 0], [0.5, 0.5, 0.25], [1, 0, 0.5], clip=1.0)
    assert (clipped.clipped, clipped.weight_max) == (pytest.approx(2 / 3), 1.0)


def test_the_policy_that_logged_is_estimated_as_it_was() -> None:
    random = np.random.default_rng(5)
    propensities = random.uniform(0.1, 1.0, 200)
    rewards = random.integers(0, 2, 200)
    found = evaluate_policy(random.integers(0, 30, 200), rewards, propensities, propensities, clip=NEVER)
    assert found.snips.value == found.ips.value == found.logged.value == rewards.mean()
    assert (found.snips.low, found.snips.high) == (found.logged.low, found.logged.high)
    assert found.effective_places == pytest.approx(200)


class People:
    """Who acts on an item by its own appeal and its place; lists by ε-greedy over scores."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.appeal = self.random.beta(1, 3, CANDIDATES)
        # What the ranker believes, right in part.
        self.scores = self.appeal + self.random.normal(0, 0.2, CANDIDATES)

    def lists(self, count: int, epsilon: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rewards and propensities of lists, [count, places] each."""
        rewards, propensities = np.zeros((count, PLACES)), np.zeros((count, PLACES))
        order = np.argsort(-self.scores)
        for number in range(count):
            left = list(order)
            for place in range(PLACES):
                is_random = self.random.random() < epsilon
                item = left[self.random.integers(EXPLORED)] if is_random else left[0]
                propensities[number, place] = (1 - epsilon) * (item == left[0]) + epsilon / EXPLORED
                rewards[number, place] = self.random.random() < self.appeal[item] / (1 + place)
                left.remove(item)
        return rewards, propensities


def test_greedy_and_uniform_are_what_people_would_have_done() -> None:
    held = {"greedy": 0, "uniform": 0}
    rounds = 60
    for seed in range(rounds):
        people = People(seed)
        rewards, propensities = people.lists(300, EPSILON)
        owners = np.repeat(np.arange(100), 3 * PLACES)
        targets = {
            # In the simulation a place after an explored one has another best item: the places before are
            # taken as logged, so the truth is that of changing one place at a time.
            "greedy": np.concatenate([greedy_target(one) for one in propensities]),
            "uniform": np.tile(uniform_target(PLACES, EXPLORED), len(propensities)),
        }
        for name, target in targets.items():
            found = evaluate_policy(owners, rewards.ravel(), propensities.ravel(), target, clip=NEVER)
            truth = truth_of(people, name)
            held[name] += found.snips.low <= truth <= found.snips.high
            assert found.weight_mean == pytest.approx(1.0, abs=0.35)
    # 95 % of 60 are 57; below 51 is further than three standard errors.
    assert held["greedy"] >= 51
    assert held["uniform"] >= 51


def truth_of(people: People, name: str) -> float:
    """The mean reward of a place under the target, with the places before by the logging policy; exactly."""
    total = 0.0
    order = tuple(int(one) for one in np.argsort(-people.scores))

    def prefixes(left: tuple[int, ...], place: int, probability: float) -> None:
        nonlocal total
        if place == PLACES:
            return
        chosen = left[:1] if name == "greedy" else left[:EXPLORED]
        total += probability * sum(people.appeal[one] for one in chosen) / len(chosen) / (1 + place)
        for item in left[:EXPLORED]:
            logged = (1 - EPSILON) * (item == left[0]) + EPSILON / EXPLORED
            prefixes(tuple(one for one in left if one != item), place + 1, probability * logged)

    prefixes(order, 0, 1.0)
    return total / PLACES


def test_the_naive_estimate_is_wrong_where_snips_is_right() -> None:
    people = People(2)
    rewards, propensities = people.lists(4_000, EPSILON)
    target = np.tile(uniform_target(PLACES, EXPLORED), len(propensities))
    found = evaluate_policy(
        np.repeat(np.arange(4_000), PLACES), rewards.ravel(), propensities.ravel(), target, clip=NEVER
    )
    truth = truth_of(people, "uniform")
    assert found.snips.low <= truth <= found.snips.high
    assert not found.logged.low <= truth <= found.logged.high
    assert found.difference.excludes_zero
    assert found.effective_places < found.places / 2


def test_no_place_or_no_weight_is_unknown() -> None:
    assert math.isnan(evaluate_policy([], [], [], [], clip=1.0).snips.value)
    nothing = evaluate_policy([0, 1], [1, 0], [0.5, 0.5], [0, 0], clip=1.0)
    assert math.isnan(nothing.snips.value)
    assert (nothing.ips.value, nothing.effective_places) == (0.0, 0.0)


def test_targets_of_a_list() -> None:
    assert greedy_target([0.9, 0.02, 0.5, 1.0]).tolist() == [1.0, 0.0, 0.0, 1.0]
    assert uniform_target(3, 4).tolist() == [1 / 4, 1 / 4, 1 / 4]
    with pytest.raises(EvaluationInputError, match="cannot fill"):
        uniform_target(3, 0)


@pytest.mark.parametrize(
    ("columns", "clip", "problem"),
    [
        (([0], [1], [0.0], [1]), 1.0, "propensities"),
        (([0], [1], [1.5], [1]), 1.0, "propensities"),
        (([0], [1], [0.5], [1.5]), 1.0, "probabilities"),
        (([0], [math.inf], [0.5], [1]), 1.0, "rewards"),
        (([0, 1], [1], [0.5], [1]), 1.0, "one length"),
        (([0], [1], [0.5], [1]), 0.0, "clip"),
    ],
)
def test_what_does_not_fit_is_refused(columns: tuple[list[float], ...], clip: float, problem: str) -> None:
    with pytest.raises(EvaluationInputError, match=problem):
        evaluate_policy(*columns, clip=clip)  # type: ignore[misc]


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 1), st.floats(0.01, 1), st.floats(0, 1)),
        min_size=1,
        max_size=40,
    ),
    st.floats(0.1, 50),
)
def test_snips_stays_within_the_rewards_and_clipping_bounds_the_weights(
    places: list[tuple[int, int, float, float]], clip: float
) -> None:
    found = evaluate_policy(*map(list, zip(*places, strict=True)), clip=clip)  # type: ignore[misc]
    assert found.weight_max <= clip
    assert found.effective_places <= len(places) + 1e-9
    assert math.isnan(found.snips.value) or -1e-12 <= found.snips.value <= 1 + 1e-12


def test_the_example_of_the_guide() -> None:
    propensities = [0.85, 0.05, 0.85, 0.85, 0.05, 0.85]
    rewards = [1, 0, 0, 1, 0, 0]
    greedy = evaluate_policy([0, 0, 1, 1, 2, 2], rewards, propensities, greedy_target(propensities), clip=100)
    assert (greedy.logged.value, greedy.snips.value) == (pytest.approx(1 / 3), pytest.approx(0.5))
    assert (greedy.ips.value, greedy.weight_mean) == (
        pytest.approx(0.39, abs=5e-3),
        pytest.approx(0.78, abs=5e-3),
    )
    uniform = evaluate_policy([0, 0, 1, 1, 2, 2], rewards, propensities, uniform_target(6, 4), clip=100)
    assert (uniform.snips.value, uniform.effective_places) == (
        pytest.approx(0.05, abs=5e-3),
        pytest.approx(2.5, abs=0.05),
    )
