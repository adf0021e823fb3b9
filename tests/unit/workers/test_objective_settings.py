"""Objectives as a deployment names and weighs them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.cascade.cascade import Cascade
from models.cascade.learner import Learner
from models.profile.state import new_profile
from models.ranking import ListOrder, ListQuery
from streams.errors import ConfigurationError
from streams.settings import load_settings
from tests.unit.cascade.people import START_MS, index_of, shoppers
from workers.arm_lists import ArmLists
from workers.experiments import Experiment
from workers.model_settings import cascade_settings, learn_settings

ITEMS = 40
LEARN: dict[str, Any] = {
    "objectives": {"click": ["click"], "purchase": ["add_to_cart", "purchase"]},
    "prior_curvature": 10.0,
    "warm_up_events": 0,
}


def test_without_objectives_all_events_are_one() -> None:
    settings = load_settings()
    assert not learn_settings(settings).objectives
    assert not cascade_settings(settings).objectives


def test_an_objective_counts_1_where_no_weight_is_named() -> None:
    settings = load_settings(learn=LEARN, recommend={"objective_weights": {"purchase": 3}})
    assert cascade_settings(settings).objectives == {"click": 1.0, "purchase": 3.0}
    assert learn_settings(settings).objectives["purchase"] == ("add_to_cart", "purchase")


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"purchases": 3}, r"^recommend\.objective_weights: .*`purchases`.*`click`, `purchase`"),
        ({"click": 0, "purchase": 0}, r"^recommend\.objective_weights: .*weighs 0"),
        ({"click": -1}, r"recommend\.objective_weights\.click"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_settings(learn=LEARN, recommend={"objective_weights": weights})


def test_an_arm_that_weighs_what_is_not_learned_is_refused() -> None:
    arm = {"share": 0.5, "recommend": {"objective_weights": {"like": 1}}}
    settings = load_settings(learn=LEARN, experiment={"name": "n", "arms": {"b": arm}})
    with pytest.raises(ConfigurationError, match=r"experiment\.arms\.b.*`like`"):
        Experiment(settings)


def test_arms_may_weigh_what_all_learn_together() -> None:
    arm = {"share": 0.5, "recommend": {"objective_weights": {"click": 0}}}
    settings = load_settings(
        learn=LEARN,
        recommend={"candidates": ITEMS, "objective_weights": {"purchase": 0}},
        rerank={"new_item_slots": 0},
        experiment={"name": "n", "arms": {"buyers": arm}},
    )
    index = index_of(ITEMS)
    cascade = Cascade(index, cascade_settings(settings))
    learner = Learner(cascade, learn_settings(settings))
    for before, happened in shoppers(1, 400, ITEMS):
        learner.learn(before, happened, np.ones(ITEMS, np.bool_))
        cascade.observe(before, happened)
    lists = ArmLists(index, cascade, Experiment(settings), settings, "space")
    orders = [
        ListOrder(new_profile(f"person-{number}"), ListQuery(count=10), START_MS + 60_000_000, {})
        for number in range(10)
    ]
    old = {
        made.arm: sum(int(item.item_id[1:]) >= 30 for item in made.result.items)
        for made in lists.make(orders)
    }
    assert old["control"] <= 1
    assert old["buyers"] >= 9
