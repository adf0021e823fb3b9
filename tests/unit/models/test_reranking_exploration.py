"""Propensities are the probabilities with which places are filled."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from models.reranking import RerankSettings, Rule, rerank
from models.reranking.exploration import EpsilonPolicy, SoftmaxPolicy
from models.retrieval.item_filter import ItemFilter
from tests.unit.models.reranking_inputs import candidates, reranked

DRAWS = 6_000
VECTORS = [[1, 0], [1, 0.2], [0, 1], [0.2, 1], [-1, 0.3]]
COLOURS = [{"colour": colour} for colour in ("red", "red", "blue", "red", "green")]
ONE = candidates(
    [2.0, 1.8, 1.5, 1.0, 0.2],
    vectors=VECTORS,
    attributes=COLOURS,
    positives=[9, 0, 50, 1, 0],
    hours_ago={2: 1},
)
EPSILON = RerankSettings(exploration="epsilon", epsilon=0.4, exploration_candidates=3)
SOFTMAX = RerankSettings(exploration="softmax", temperature=0.7, uncertainty=0.5, exploration_candidates=3)


@pytest.mark.parametrize("exploring", [EPSILON, SOFTMAX], ids=["epsilon", "softmax"])
@pytest.mark.parametrize(
    "stages",
    [
        {},
        {"exploration_candidates": 1},
        {"diversity": 0.5},
        {"max_per_attribute": {"colour": 1}},
        {"new_item_slots": 7, "new_item_events": 3},
        {"new_item_slots": 14, "new_item_events": 2, "max_per_attribute": {"colour": 2}, "diversity": 0.3},
        {
            "rules": (
                Rule(ItemFilter({"colour": "blue"}), "pin"),
                Rule(ItemFilter({"colour": "green"}), "boost", 1.0),
            )
        },
        {"no_repeat_hours": 24.0, "diversity": 0.8},
    ],
    ids=lambda stages: "+".join(stages) or "alone",
)
def test_lists_come_as_often_as_their_propensities_say(exploring, stages) -> None:
    """The product over the places is the list's probability: all lists' sum to 1, and chi-square fits."""
    settings = replace(exploring, **stages)
    random = np.random.default_rng(11)
    seen: Counter[tuple[int, ...]] = Counter()
    probability: dict[tuple[int, ...], float] = {}
    for _ in range(DRAWS):
        items = rerank(ONE, 3, settings, random)
        listed = tuple(item.position for item in items)
        product = float(np.prod([item.propensity for item in items]))
        assert probability.setdefault(listed, product) == product
        seen[listed] += 1
    missed = 1 - sum(probability.values())
    # Lists too rare to have been seen in so many draws.
    assert -1e-9 < missed < 0.01
    often = [listed for listed in seen if DRAWS * probability[listed] >= 5]
    observed = np.array([seen[listed] for listed in often], float)
    expected = np.array([DRAWS * probability[listed] for listed in often])
    chi_square = float(((observed - expected) ** 2 / expected).sum())
    # Mean and standard deviation of chi-square with k − 1 degrees of freedom: k − 1 and √(2 (k − 1)).
    degrees = len(often) - 1
    assert chi_square <= degrees + 5 * np.sqrt(2 * degrees) + 1e-9


def test_epsilon_in_its_closed_form() -> None:
    policy = EpsilonPolicy(0.4, 2, np.random.default_rng(0))
    allowed = np.array([False, True, True, True])
    found = dict(policy.choose(3, allowed, np.zeros(4)) for _ in range(200))
    assert found == {1: pytest.approx(0.2), 2: pytest.approx(0.2), 3: pytest.approx(0.6)}
    within = dict(policy.choose(1, allowed, np.zeros(4)) for _ in range(200))
    assert within == {1: pytest.approx(0.8), 2: pytest.approx(0.2)}


def test_softmax_in_its_closed_form() -> None:
    bonus = np.array([0.0, 0.5, 0.0, 0.0])
    utility = np.array([9.0, 1.0, 1.2, 2.0])
    policy = SoftmaxPolicy(0.5, bonus, 2, np.random.default_rng(0))
    found = dict(policy.choose(3, np.array([False, True, True, True]), utility) for _ in range(300))
    odds = {1: np.exp(1.5 / 0.5), 2: np.exp(1.2 / 0.5), 3: np.exp(2.0 / 0.5)}
    assert found == {one: pytest.approx(each / sum(odds.values())) for one, each in odds.items()}


def test_no_propensity_vanishes_however_cold_it_is() -> None:
    policy = SoftmaxPolicy(1e-9, np.zeros(2), 2, np.random.default_rng(0))
    _, propensity = policy.choose(0, np.ones(2, bool), np.array([1.0, 0.0]))
    assert propensity is not None
    assert 0 < 1 - propensity < 1e-12


def test_uncertainty_brings_little_known_items_more_often() -> None:
    one = candidates([1.0, 1.0], positives=[10_000, 0])
    settings = RerankSettings(exploration="softmax", temperature=1.0, uncertainty=2.0)
    firsts = {
        item.position: item.propensity for seed in range(50) for item in reranked(one, 1, settings, seed)
    }
    assert firsts[1] == pytest.approx(1 / (1 + np.exp(2 / np.sqrt(10_001) - 2)))


def test_what_chance_chose_is_marked() -> None:
    one = candidates(list(range(50, 0, -1)))
    settings = RerankSettings(exploration="epsilon", epsilon=0.5, exploration_candidates=40)
    items = [item for seed in range(30) for item in reranked(one, 20, settings, seed)]
    explored = [item for item in items if item.moves]
    assert {item.moves for item in explored} == {("exploration",)}
    # The share of places is ε, less the few where chance chose the greedy item.
    assert 0.4 < len(explored) / len(items) < 0.56


def test_chance_moves_no_pin() -> None:
    settings = replace(SOFTMAX, temperature=10.0, rules=(Rule(ItemFilter({"colour": "green"}), "pin"),))
    for seed in range(20):
        first = reranked(ONE, 3, settings, seed)[0]
        assert (first.position, first.propensity, first.moves) == (4, 1.0, ("pin",))


def test_chance_takes_no_slot_from_new_items() -> None:
    one = candidates([5, 4, 3, 2, 1], positives=[0, 100, 100, 100, 100])
    settings = RerankSettings(exploration="epsilon", epsilon=1.0, new_item_slots=10)
    places = Counter(
        [item.position for item in reranked(one, 2, settings, seed)].index(0) for seed in range(100)
    )
    # By chance alone in one of five at the top; wherever it is not there, the last place is kept for it.
    assert places.keys() == {0, 1}
    assert places[1] > 60
