"""Workers number the rows of their indexes otherwise, and rank alike: told the same, they say the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.cascade.cascade import Cascade
from models.cascade.learner import Learner
from models.cascade.settings import CascadeSettings, LearnSettings
from models.errors import SettingError
from models.ranking.online import OnlineSettings
from models.retrieval.index import ItemIndex
from models.sequence.settings import SequenceSettings
from tests.unit.cascade.people import START_MS, index_of, person, stream

ITEMS = 60
LEARN = LearnSettings(
    online=OnlineSettings(prior_curvature=10.0, batch_events=8, warm_up_events=1_000),
    publish_events=20,
    first_refit_events=100,
    refit_events=150,
    sequence=SequenceSettings(dimension=8, heads=2),
    first_epochs=1,
    epochs=1,
)


def shuffled(index: ItemIndex, seed: int) -> ItemIndex:
    """The same items in other rows; many are created at once, so that equal values abound."""
    made = ItemIndex()
    for row in np.random.default_rng(seed).permutation(index.rows).tolist():
        created = START_MS - (row % 3) * 86_400_000
        made.upsert(index.item_id(row), index.vectors[row], created_at_ms=created)
    return made


def play(index: ItemIndex, settings: CascadeSettings) -> list[list[tuple[str, float]]]:
    """The lists of a stream, each ranked before its event is learned, and those of a stranger."""
    cascade = Cascade(index, settings)
    learner = Learner(cascade, LEARN)
    lists = []
    for before, happened in stream(3, people=8, items=ITEMS, events=180):
        eligible = index.available & ~np.isin(index.hashes, hashes_of(index, before.item_ids))
        for one in (before, person("stranger", now_s=(before.now_ms - START_MS) / 1_000)):
            ranking = cascade.rank(one, eligible)
            ids = [index.item_id(row) for row in ranking.rows.tolist()]
            lists.append(list(zip(ids, ranking.scores.tolist(), strict=True)))
        learner.learn(before, happened, eligible)
        cascade.observe(before, happened)
        if learner.refit_due():
            learner.refit()
    return lists


def hashes_of(index: ItemIndex, item_ids: tuple[str, ...]) -> np.ndarray:
    return index.hashes[index.rows_of(item_ids)]


@pytest.mark.parametrize("candidates", [12, 30])
def test_lists_do_not_depend_on_the_numbers_of_rows(candidates: int) -> None:
    # Fewer candidates than the sources give, and more: some are dropped, or others fill them up.
    budgets = dict.fromkeys(("interests", "covisitation", "trending", "new_items", "stage"), 5)
    settings = CascadeSettings(candidates=candidates, budgets=budgets)
    usual = index_of(ITEMS)
    one, other = play(shuffled(usual, 1), settings), play(shuffled(usual, 2), settings)
    for mine, theirs in zip(one, other, strict=True):
        assert [item_id for item_id, _ in mine] == [item_id for item_id, _ in theirs]
        assert [score for _, score in mine] == pytest.approx([score for _, score in theirs], rel=1e-6)


def test_a_family_that_it_does_without_counts_for_nothing() -> None:
    index = shuffled(index_of(ITEMS), 1)
    settings = CascadeSettings(candidates=30, without=("covisitation",))
    cascade = Cascade(index, settings)
    learner = Learner(cascade, LEARN)
    start = cascade.weights.values.copy()
    for before, happened in stream(3, people=8, items=ITEMS, events=120):
        learner.learn(before, happened, index.available)
        cascade.observe(before, happened)
    ranking = cascade.rank(person("u0", [("i1", 1.0, 0.0)], 60.0), index.available)
    column = ranking.part_names.index("covisitation")
    assert not ranking.parts[:, column].any()
    assert ranking.parts[:, ranking.part_names.index("popularity")].any()
    assert (cascade.weights.values != start).any()


def test_a_family_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingError, match="no family of signals 'luck'; there are covisitation"):
        Cascade(index_of(3), replace(CascadeSettings(), without=("luck",)))
