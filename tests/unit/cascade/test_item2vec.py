"""item2vec: gradients by central differences of one step's loss, what it learns, storing and growth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.cascade.cascade import ITEM2VEC, Cascade
from models.cascade.learner import Learner
from models.cascade.settings import CascadeSettings, LearnSettings
from models.cascade.trained import TrainedItem2Vec
from models.errors import ModelError
from models.sequence.history import History
from models.sequence.item2vec import Item2Vec, Item2VecSettings
from models.sequence.settings import SequenceSettings
from models.signals import catalogue
from models.sources import item2vec
from tests.unit.cascade.people import index_of, person, stream

SMALL = Item2VecSettings(dimension=8, batch=256)
AGES_S = np.array([1.0, 2.0])


def groups(count: int, seed: int) -> list[History]:
    """Sessions within one of two groups of ten items."""
    rng = np.random.default_rng(seed)
    return [
        History(rng.permutation(10)[:6] + 10 * (k % 2), np.full(6, 5), np.arange(6) * 1_000)
        for k in range(count)
    ]


def trained() -> Item2Vec:
    model = Item2Vec(20, SMALL, seed=0)
    model.fit(groups(200, 1), epochs=15, seed=3)
    return model


def test_learns_groups_and_is_repeatable() -> None:
    one, other = trained(), trained()
    assert one.fit(groups(200, 1), epochs=1, seed=4) < Item2Vec(20, SMALL).fit(
        groups(200, 1), epochs=1, seed=4
    )
    other.fit(groups(200, 1), epochs=1, seed=4)
    for name, value in one.parameters().items():
        np.testing.assert_array_equal(value, other.parameters()[name])
    scores = one.scores(np.array([1, 2]), AGES_S)
    assert scores[:10].min() > scores[10:].max()
    assert scores.dtype == np.float32


def test_newer_entries_count_more_and_old_ones_not_at_all() -> None:
    model = trained()
    both = model.scores(np.array([1, 12]), np.array([1.0, 6_000.0]))
    assert both[:10].mean() > both[10:].mean()
    entries = np.array([1, 2, 3, 4, 5, 12])
    ages_s = np.arange(6.0)
    np.testing.assert_array_equal(model.scores(entries, ages_s), model.scores(entries[:5], ages_s[:5]))


def test_of_a_stranger_it_says_what_is_used_much() -> None:
    model = Item2Vec(3, SMALL)
    model.fit([History(np.array([0, 1, 1]), np.full(3, 5), np.arange(3) * 1_000)], epochs=1, seed=0)
    assert np.argsort(-model.scores(np.zeros(0, np.int64), np.zeros(0))).tolist() == [1, 0, 2]


def test_step_descends_the_numeric_gradient() -> None:
    rng = np.random.default_rng(0)
    pairs, drawn = rng.integers(0, 6, (5, 2)), rng.integers(0, 6, 4)
    settings = Item2VecSettings(dimension=3, noise_rows=4)
    model = Item2Vec(6, settings, seed=1)
    model._p["outside"] += rng.standard_normal((6, 3)).astype(np.float32)
    # float64 makes the differences exact enough
    for name in ("inside", "outside"):
        model._p[name] = model._p[name].astype(np.float64)  # type: ignore[assignment]
    start = {name: values.copy() for name, values in model._p.items()}
    model._train(pairs, drawn, 0.0)
    for name in ("inside", "outside"):
        got = model._m[name] * 10 * len(pairs)
        for k in range(18):
            at = np.unravel_index(k, (6, 3))
            sides = []
            for step in (1e-5, -1e-5):
                fresh = Item2Vec(6, settings)
                fresh._p = {key: values.copy() for key, values in start.items()}
                fresh._p[name][at] += step
                sides.append(fresh._train(pairs, drawn, 0.0))
            assert got[at] == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-2, abs=1e-4)


def test_other_rows_keep_their_scores() -> None:
    model = trained()
    before = model.scores(np.array([1, 2]), AGES_S)
    rows = np.array([5, -1, 2, 1])
    moved = model.rearranged(rows, seed=3)
    after = moved.scores(np.array([3, 2]), AGES_S)
    np.testing.assert_allclose(after[[0, 2, 3]], before[[5, 2, 1]], rtol=1e-6)
    assert moved.parameters()["counts"][1] == 0
    assert np.isfinite(after).all()
    moved.fit([History(np.array([0, 1, 2]), np.full(3, 5), np.arange(3) * 1_000)], epochs=1, seed=0)
    assert moved.parameters()["counts"][1] == 1


def test_a_stored_model_says_the_same() -> None:
    model = TrainedItem2Vec(trained(), [f"i{row}" for row in range(20)])
    again = TrainedItem2Vec.decode(model.encode(), SMALL)
    assert again.item_ids == model.item_ids
    entries = np.array([1, 2])
    np.testing.assert_array_equal(again.model.scores(entries, AGES_S), model.model.scores(entries, AGES_S))


@pytest.mark.parametrize("of", [Item2VecSettings(dimension=9), SMALL])
def test_what_does_not_fit_is_refused(of: Item2VecSettings) -> None:
    payload = TrainedItem2Vec(trained(), [f"i{row}" for row in range(20 if of is not SMALL else 19)]).encode()
    with pytest.raises(ModelError):
        TrainedItem2Vec.decode(payload, of)


def played(most: int) -> Cascade:
    """A cascade that learned of items i0 to i29, in two groups, with two trainings."""
    settings = LearnSettings(
        regression_items=most,
        first_refit_events=150,
        refit_events=50,
        sequence=SequenceSettings(dimension=8, heads=2),
        # Of the stream, most events of one person are hours apart.
        item2vec=replace(SMALL, first_epochs=30, batch=128, learning_rate=0.03, gap_ms=10**9),
        first_epochs=1,
        epochs=1,
    )
    made = Cascade(index_of(40), CascadeSettings(candidates=20))
    learner = Learner(made, settings)
    for before, happened in stream(1, people=12, items=30, events=200):
        made.observe(before, happened)
        if learner.refit_due():
            assert ITEM2VEC in learner.refit()
    assert ITEM2VEC in learner.updates()
    return made


def test_it_covers_the_items_used_most() -> None:
    made = played(most=7)
    assert made.item2vec is not None
    counts = np.bincount(made.log.sequences()[0])
    expected = np.argsort(-counts, kind="stable")[:7]
    assert set(made.item2vec.item_ids) == {made.memory.items.item_id(row) for row in expected.tolist()}


def test_the_source_proposes_what_stands_near_the_newest_entries() -> None:
    made = played(most=1_000)
    somebody = person("u0", [("i1", 1.0, 0.0), ("i2", 1.0, 5.0), ("unknown", 1.0, 6.0)], 10.0)
    signals = made._signals(somebody)
    rows = item2vec.propose(signals, made.index.available, 8)
    assert sum(int(made.index.item_id(row)[1:]) < 15 for row in rows.tolist()) >= 6
    values = signals.of_rows(rows)[:, catalogue.POSITION["item2vec"]]
    assert (np.diff(values) <= 0).all()
    # i35 was never used: as likely as the less likely ones.
    unmet = np.append(rows, made.index.rows_of(["i35"]))
    signal = signals.of_rows(unmet)[:, catalogue.POSITION["item2vec"]]
    assert signal[:-1].min() <= signal[-1] <= np.median(signal[:-1])


def test_it_proposes_nothing_to_strangers_or_before_it_is_trained() -> None:
    made = played(most=1_000)
    somebody = person("u0", [("i1", 1.0, 0.0)], 10.0)
    assert not len(item2vec.propose(made._signals(person("new")), made.index.available, 8))
    fresh = Cascade(index_of(40), CascadeSettings())
    assert not len(item2vec.propose(fresh._signals(somebody), fresh.index.available, 8))
