"""Several objectives: what each learns, and what their weights do to lists."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from models.cascade.cascade import Cascade
from models.cascade.learner import Learner
from models.cascade.settings import CascadeSettings, LearnSettings
from models.errors import DimensionError, ModelError, SettingError
from models.ranking.objectives import ObjectiveHead
from models.ranking.online import OnlineLearner, OnlineSettings
from models.ranking.ranker import RankerWeights, decode_weights, encode_weights
from tests.unit.cascade.people import index_of, person, shoppers

ITEMS = 40
ONLINE = OnlineSettings(prior_curvature=10.0, batch_events=8, warm_up_events=0)
OBJECTIVES = {"click": ("click",), "purchase": ("add_to_cart", "purchase")}
SOMEBODY = person("somebody", now_s=60_000.0)


def learned(
    objectives: Mapping[str, Collection[str]], events: int = 400, online: OnlineSettings = ONLINE
) -> tuple[Cascade, Learner]:
    """A cascade and its learner after what `shoppers` did."""
    cascade = Cascade(index_of(ITEMS), CascadeSettings(candidates=ITEMS))
    learner = Learner(cascade, LearnSettings(online=online, objectives=objectives))
    for before, happened in shoppers(1, events, ITEMS):
        learner.learn(before, happened, np.ones(ITEMS, np.bool_))
        cascade.observe(before, happened)
    return cascade, learner


@pytest.fixture(scope="module")
def shop() -> tuple[Cascade, Learner]:
    return learned(OBJECTIVES)


def old_items(cascade: Cascade, counts: Mapping[str, float]) -> int:
    """Of the first ten of a list, those that people purchase and do not click."""
    ranking = cascade.rank(SOMEBODY, np.ones(ITEMS, np.bool_), objectives=counts)
    numbers = [int(cascade.index.item_id(row)[1:]) for row in ranking.rows[:10].tolist()]
    return sum(number >= ITEMS - ITEMS // 4 for number in numbers)


def test_moving_the_weight_moves_the_list(shop: tuple[Cascade, Learner]) -> None:
    cascade, _ = shop
    found = [
        old_items(cascade, {"click": 1.0 - share, "purchase": share}) for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert found == sorted(found)
    assert found[0] <= 1
    assert found[-1] >= 9


def test_a_part_of_the_score_is_the_mean_of_the_objectives_parts_and_reasons_sum(
    shop: tuple[Cascade, Learner],
) -> None:
    cascade, _ = shop
    rows = np.arange(ITEMS)
    counts = {"click": 1.0, "purchase": 3.0}
    mixed = cascade.rank_rows(SOMEBODY, rows, counts)
    alone = {}
    for name in counts:
        ranking = cascade.rank_rows(SOMEBODY, rows, {name: 1.0})
        alone[name] = ranking.parts[np.argsort(ranking.rows)]
    expected = (alone["click"] + 3.0 * alone["purchase"]) / 4.0
    np.testing.assert_allclose(mixed.parts[np.argsort(mixed.rows)], expected, atol=1e-5)
    np.testing.assert_allclose(mixed.parts.sum(axis=1), mixed.scores, atol=1e-9)
    for why, score in zip(cascade.explain(SOMEBODY, mixed, range(5)), mixed.scores[:5], strict=True):
        assert math.fsum(reason.contribution for reason in why) == pytest.approx(score, abs=1e-9)


def test_objectives_leave_what_all_events_say_as_it_is_to_the_bit(shop: tuple[Cascade, Learner]) -> None:
    several, _ = shop
    one, learner = learned({})
    np.testing.assert_array_equal(one.weights.values, several.weights.values)
    assert not one.weights.objectives
    eligible = np.ones(ITEMS, np.bool_)
    lists = [made.rank(SOMEBODY, eligible) for made in (one, several)]
    np.testing.assert_array_equal(lists[0].rows, lists[1].rows)
    np.testing.assert_array_equal(lists[0].scores, lists[1].scores)
    _, _, _, own = msgspec.msgpack.decode(learner.updates(force=True)["ranker"])
    assert own == {}


def test_what_is_published_ranks_elsewhere_with_other_weights(shop: tuple[Cascade, Learner]) -> None:
    cascade, _ = shop
    other = Cascade(
        cascade.index, CascadeSettings(candidates=ITEMS, objectives={"click": 0.0, "purchase": 1.0})
    )
    for before, happened in shoppers(1, 400, ITEMS):
        other.observe(before, happened)
    other.load("ranker", encode_weights(cascade.weights))
    found = other.rank(SOMEBODY, np.ones(ITEMS, np.bool_))
    expected = cascade.rank(SOMEBODY, np.ones(ITEMS, np.bool_), objectives={"purchase": 2.0})
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def test_a_successor_goes_on_with_every_objective(shop: tuple[Cascade, Learner]) -> None:
    cascade, learner = shop
    other, successor = learned(OBJECTIVES, events=0)
    successor.restore(learner.state())
    for name in OBJECTIVES:
        np.testing.assert_array_equal(other.weights.objectives[name], cascade.weights.objectives[name])
    # One more objective begins as what all events say.
    third, newcomer = learned({**OBJECTIVES, "like": ("like",)}, events=0)
    newcomer.restore(learner.state())
    np.testing.assert_array_equal(third.weights.objectives["like"], cascade.weights.values)


def test_a_state_from_before_there_were_objectives_is_taken() -> None:
    _, learner = learned({}, events=50)
    fields = msgspec.msgpack.decode(learner.state())
    other, successor = learned(OBJECTIVES, events=0)
    successor.restore(msgspec.msgpack.encode(fields[:5]))
    assert successor.steps == learner.steps
    np.testing.assert_array_equal(other.weights.objectives["purchase"], other.weights.values)


def choose(
    random: np.random.Generator, true: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32], int, float]:
    """An event of a conditional logit among 10 candidates with 3 signals."""
    z = random.normal(size=(10, 3)).astype(np.float32)
    target = int(np.argmax(z @ true + random.gumbel(size=10)))
    return z, np.ones(1, np.float32), target, 1.0


CLICK, PURCHASE = np.array([1.0, 0.5, 0.0]), np.array([-0.5, 0.5, 1.0])


def heads(
    events: int, purchases: float, settings: OnlineSettings
) -> tuple[OnlineLearner, ObjectiveHead, ObjectiveHead]:
    """What clicks and purchases of `CLICK` and `PURCHASE` teach, so many of which are purchases."""
    random = np.random.default_rng(4)
    shared = OnlineLearner(np.zeros((1, 3), np.float32), settings)
    click, purchase = (ObjectiveHead((1, 3), settings) for _ in range(2))
    for _ in range(events):
        head, true = (purchase, PURCHASE) if random.random() < purchases else (click, CLICK)
        lesson = choose(random, true)
        head.learn(*lesson, shared)
        shared.learn(*lesson)
    return shared, click, purchase


def test_each_objective_finds_the_weights_of_its_own_events() -> None:
    settings = OnlineSettings(
        prior_curvature=1.0, memory_events=1e6, batch_events=8, warm_up_events=0, place_weight=0.0
    )
    shared, click, purchase = heads(6_000, 0.3, settings)
    np.testing.assert_allclose(click.served(shared)[0], CLICK, atol=0.12)
    np.testing.assert_allclose(purchase.served(shared)[0], PURCHASE, atol=0.12)
    assert click.scale == pytest.approx(1.0, abs=0.1)
    assert purchase.scale == pytest.approx(1.0, abs=0.1)


def test_an_objective_with_few_events_is_ranked_as_all_events_are() -> None:
    settings = OnlineSettings(batch_events=8, warm_up_events=0)
    shared, _, purchase = heads(1_000, 0.0, settings)
    np.testing.assert_array_equal(purchase.served(shared), shared.values)


@pytest.mark.parametrize("by", [0.5, 2.0])
def test_scores_are_calibrated_to_their_objective(by: float) -> None:
    """Where choices are half, or twice, as sure as all events have it, scores shrink or grow so."""
    settings = OnlineSettings(
        prior_curvature=1e6, memory_events=1e6, batch_events=8, warm_up_events=0, place_weight=0.0
    )
    shared = OnlineLearner(CLICK[None].astype(np.float32), settings)
    head = ObjectiveHead((1, 3), settings)
    random = np.random.default_rng(2)
    for _ in range(1_500):
        head.learn(*choose(random, by * CLICK), shared)
    assert head.scale == pytest.approx(by, rel=0.12)
    np.testing.assert_allclose(head.served(shared)[0], by * CLICK, rtol=0.15, atol=0.05)


def test_what_was_learned_for_an_objective_takes_over_as_what_all_events_say_does() -> None:
    slow = replace(ONLINE, warm_up_events=1_000_000)
    cascade, _ = learned(OBJECTIVES, online=slow)
    for name in OBJECTIVES:
        own = cascade.weights.objectives[name]
        scale = own.sum() / cascade.weights.values.sum()
        np.testing.assert_allclose(own, scale * cascade.weights.values, atol=1e-3)


def test_a_scale_that_signals_without_numbers_would_break_stays() -> None:
    shared = OnlineLearner(np.ones((1, 3), np.float32), ONLINE)
    head = ObjectiveHead((1, 3), ONLINE)
    head.learn(np.full((5, 3), np.nan, np.float32), np.ones(1, np.float32), 0, 1.0, shared)
    assert head.scale == 1.0
    assert np.isfinite(head.served(shared)).all()


def test_a_state_that_is_none_is_refused() -> None:
    head = ObjectiveHead((1, 3), ONLINE)
    with pytest.raises(ModelError, match="cannot be read"):
        head.restore(b"?")
    online, _, information = msgspec.msgpack.decode(head.state())
    with pytest.raises(ModelError, match="scale"):
        head.restore(msgspec.msgpack.encode((online, -1.0, information)))
    with pytest.raises(ModelError):
        ObjectiveHead((2, 3), ONLINE).restore(head.state())


def test_weights_of_objectives_are_found_by_name_and_mixed() -> None:
    shared = np.array([[1.0, 2.0]], np.float32)
    weights = RankerWeights(("always",), ("a", "b"), shared, {"buy": 3.0 * shared})
    read = decode_weights(encode_weights(weights), ("always",), ("b", "c"))
    assert read.objectives["buy"].tolist() == [[6.0, 0.0]]
    gates = np.ones(1, np.float32)
    assert weights.effective(gates).tolist() == [1.0, 2.0]
    assert weights.effective(gates, {}).tolist() == [1.0, 2.0]
    assert weights.effective(gates, {"buy": 5.0}).tolist() == [3.0, 6.0]
    # An objective that nobody has learned yet counts as all events do.
    assert weights.effective(gates, {"buy": 1.0, "like": 1.0}).tolist() == [2.0, 4.0]
    bad = RankerWeights(("always",), ("a",), np.ones((1, 1), np.float32), {"buy": np.full((1, 1), np.nan)})
    with pytest.raises(ModelError, match="finite"):
        decode_weights(encode_weights(bad), ("always",), ("a",))
    with pytest.raises(DimensionError):
        RankerWeights(("always",), ("a", "b"), shared, {"buy": np.ones((2, 2), np.float32)})


def test_objectives_that_count_nothing_are_refused() -> None:
    for objectives in ({"buy": -1.0, "click": 2.0}, {"buy": 0.0}):
        with pytest.raises(SettingError, match="objectives"):
            CascadeSettings(objectives=objectives)
