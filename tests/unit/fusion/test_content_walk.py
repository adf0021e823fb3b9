"""The walk over co-occurrence and content."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from models.offline.content_walk import ContentWalk
from models.offline.interface import FitContext
from tests.unit.fusion.tastes import PEOPLE, recall, tastes

CONTEXT = FitContext(seed=0)


def matrix(pairs: list[tuple[int, int]], people: int, items: int) -> csr_array:
    rows, columns = zip(*pairs, strict=True)
    return csr_array((np.ones(len(pairs), np.float32), (rows, columns)), shape=(people, items))


def test_one_step_is_the_way_over_people_by_hand() -> None:
    # Person 0 took item 0; item 0 was taken by persons 0 and 1, who has items 0 and 1.
    train = matrix([(0, 0), (1, 0), (1, 1), (2, 2)], 3, 3)
    model = ContentWalk(content=0, steps=1, decay=1, popularity=0)
    model.fit(train, {}, CONTEXT)
    found = model.scores(np.array([0]))
    # Half to person 0, all of it to item 0; half to person 1, evenly to 0 and 1. Popularity is next to
    # nothing.
    np.testing.assert_allclose(found, [[0.75, 0.25, 0]], atol=1e-4)


def test_further_steps_reach_further() -> None:
    train = matrix([(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)], 3, 3)
    reached = []
    for steps in (1, 2):
        model = ContentWalk(content=0, steps=steps, popularity=0)
        model.fit(train, {}, CONTEXT)
        reached.append(model.scores(np.array([0]))[0, 2])
    assert reached[0] < 1e-3 < reached[1]


def test_content_leads_to_an_item_that_nobody_took() -> None:
    train = matrix([(0, 0), (1, 1), (2, 2), (3, 3)], 4, 5)
    content = np.eye(5, 6, dtype=np.float32)
    content[4] = content[0] + 0.1 * content[4]
    found = []
    for share in (0.0, 0.3):
        model = ContentWalk(content=share, neighbours=1)
        model.fit(train, {"image": content}, CONTEXT)
        found.append(model.scores(np.array([0]))[0])
    assert found[0][4] == 0
    assert found[1][4] == np.delete(found[1], 0).max() > 0.01


def test_a_person_who_took_everything_ties_less_where_the_crowd_weighs_less() -> None:
    pairs = [(0, 0), (1, 0), (1, 1), *((2, item) for item in range(12))]
    scores = []
    for weight in (1.0, 0.1):
        model = ContentWalk(content=0, steps=1, popularity=0, crowd_items=12, crowd_weight=weight)
        model.fit(matrix(pairs, 3, 12), {}, CONTEXT)
        scores.append(model.scores(np.array([0]))[0])
    assert scores[1][1] > scores[0][1]
    assert scores[1][5] < scores[0][5]


def test_it_finds_tastes_and_content_helps() -> None:
    data = tastes()
    chance = 10 / 237
    reached = []
    for share in (0.0, 0.3):
        model = ContentWalk(content=share)
        model.fit(data.train, data.features, CONTEXT)
        reached.append(recall(model.scores(np.arange(PEOPLE)), data))
    assert min(reached) > 4 * chance


def test_items_without_any_content_and_people_without_items_have_finite_scores() -> None:
    train = matrix([(0, 0), (0, 1), (1, 1)], 3, 4)
    content = np.zeros((4, 3), np.float32)
    content[0] = 1
    model = ContentWalk()
    model.fit(train, {"image": content}, CONTEXT)
    assert np.isfinite(model.scores(np.arange(3))).all()
