"""The content walk with what the matrix tells of trends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from models.offline.interface import FitContext
from models.offline.trend_walk import SIGNALS, TrendWalk
from tests.unit.fusion.tastes import PEOPLE, recall, tastes

CONTEXT = FitContext(seed=0)
ALONE: dict[str, Any] = {
    "popularity": 0.0,
    "own_popularity": 0.0,
    "own_length": 0.0,
    "crowd": 0.0,
    "later": 0.0,
}


def matrix(histories: list[list[int]], items: int) -> csr_array:
    people = np.repeat(np.arange(len(histories)), [len(one) for one in histories])
    taken = np.concatenate([np.asarray(one, np.int64) for one in histories])
    return csr_array((np.ones(len(people), np.float32), (people, taken)), shape=(len(histories), items))


def scored(histories: list[list[int]], items: int, **settings: float) -> np.ndarray:
    model = TrendWalk(**{**ALONE, **settings})
    model.fit(matrix(histories, items), {}, CONTEXT)
    return model.scores(np.arange(len(histories)))


def test_an_item_that_people_of_longer_histories_took_is_above_one_as_popular_of_shorter_ones() -> None:
    # Items 0 and 1 were taken twice each: 0 by people of one item, 1 by people of three.
    histories = [[0], [0], [1, 2, 3], [1, 4, 5], [6]]
    alike, found = scored(histories, 7, popularity=1.0)[4], scored(histories, 7, popularity=1.0, later=1.0)[4]
    assert alike[0] == pytest.approx(alike[1])
    # Two people of three items instead of two of one, among a hundred more of mean length.
    assert found[1] - found[0] == pytest.approx(2 * (3 - 1) / 102, rel=1e-4)


def test_an_item_of_the_crowd_is_below_one_as_popular_that_the_crowd_does_not_take() -> None:
    crowd = list(range(1, 12))
    histories = [[0], [1], [12], crowd]
    settings = {"popularity": 1.0, "walk": 1e-9}
    before, after = scored(histories, 13, **settings)[2], scored(histories, 13, **settings, crowd=1.0)[2]
    assert before[0] == pytest.approx(before[1])
    assert after[0] - after[1] == pytest.approx(np.log(2) ** 2, rel=1e-4)


def test_popularity_counts_more_for_who_took_what_is_popular_and_less_for_long_histories() -> None:
    # Item 0 is popular; 1 and 2 are not.
    histories = [[0], [0], [0], [0, 3], [1], [2], [4, 5, 6]]
    of_popular, of_rare = scored(histories, 8, walk=1e-9, own_popularity=1.0)[[0, 4], :][:, [0, 7]]
    assert of_popular[0] - of_popular[1] > 0 > of_rare[0] - of_rare[1]
    of_short, of_long = scored(histories, 8, walk=1e-9, own_length=1.0)[[4, 6], :][:, [0, 7]]
    assert of_short[0] - of_short[1] > 0 > of_long[0] - of_long[1]


def test_alone_it_ranks_as_the_walk_that_it_is_made_of() -> None:
    from models.offline.content_walk import ContentWalk

    data = tastes()
    walk = ContentWalk(popularity=0.0)
    walk.fit(data.train, data.features, CONTEXT)
    model = TrendWalk(**ALONE, walk=0.5)
    model.fit(data.train, data.features, CONTEXT)
    people = np.arange(20)
    np.testing.assert_allclose(
        np.exp(model.scores(people) / np.float32(0.5)), walk.scores(people) + 1e-9, rtol=1e-3
    )


def test_a_score_is_the_sum_of_signals_by_their_weights() -> None:
    model = TrendWalk(walk=0.5, popularity=0.4, own_popularity=0.3, own_length=0.2, crowd=0.1, later=7.0)
    histories = [[0], [0, 1], [1, 2, 3], [1, 4, 5], list(range(1, 12)), []]
    model.fit(matrix(histories, 13), {}, CONTEXT)
    people = np.arange(len(histories))
    weights = [model.weights[name] for name in SIGNALS]
    assert weights == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1, 7.0])
    signals = model.signals(people)
    assert all(signals[:, :, number].any() for number in range(len(SIGNALS)))
    np.testing.assert_allclose(signals @ np.array(weights), model.scores(people), rtol=1e-5, atol=1e-5)


def test_numbers_of_items_and_people_mean_nothing() -> None:
    data = tastes()
    random = np.random.default_rng(1)
    people, items = (random.permutation(size) for size in data.train.shape)
    model, renumbered = TrendWalk(), TrendWalk()
    model.fit(data.train, data.features, CONTEXT)
    renumbered.fit(
        data.train[people][:, items].tocsr(),
        {name: rows[items] for name, rows in data.features.items()},
        CONTEXT,
    )
    np.testing.assert_allclose(
        renumbered.scores(np.arange(10)), model.scores(people[:10])[:, items], rtol=1e-3, atol=1e-3
    )


def test_it_finds_tastes() -> None:
    data = tastes()
    model = TrendWalk()
    model.fit(data.train, data.features, CONTEXT)
    assert recall(model.scores(np.arange(PEOPLE)), data) > 4 * 10 / 237


@pytest.mark.parametrize("histories", [[[], [0], [1, 2]], [[], []], [list(range(12)), list(range(12))]])
def test_people_without_items_and_nobody_but_the_crowd_have_finite_scores(histories: list[list[int]]) -> None:
    model = TrendWalk()
    model.fit(matrix(histories, 13), {"image": np.zeros((13, 3), np.float32)}, CONTEXT)
    assert np.isfinite(model.scores(np.arange(len(histories)))).all()
