"""A user model in the cascade: a source, a signal and a reason; nothing at all where there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from models.cascade.cascade import Cascade
from models.cascade.learner import Learner
from models.cascade.lists import ListSettings, cascade_list
from models.cascade.settings import SOURCES, CascadeSettings, LearnSettings
from models.errors import SettingError
from models.profile.state import Profile
from models.ranking import ListOrder, ListQuery
from models.ranking.online import OnlineSettings
from models.ranking.ranker import RankerWeights
from models.retrieval import ItemIndex
from models.signals import catalogue, gates
from models.user import UserHistory
from tests.unit.cascade.people import START_MS, event, index_of, person, stream

ITEMS = 60
FAMILY = "sequence.content"
BIT = np.uint32(1 << SOURCES.index("user_model"))
SOMEBODY = person("u0", [("i1", 2.0, 0.0), ("i2", 1.0, 50.0), ("i3", -1.0, 50.0)], 60.0)


class Pointing:
    """A user model that points at given vectors, and remembers what it was asked."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors
        self.asked: list[UserHistory] = []

    def user_vectors(self, history: UserHistory) -> NDArray[np.float32]:
        self.asked.append(history)
        return self._vectors if len(history) else self._vectors[:0]


def cascade(*, with_user_model: bool, budget: int = 5) -> Cascade:
    """One that has taken in some events, and knows of items that no event was on."""
    settings = CascadeSettings(
        candidates=30,
        # Others would propose everything.
        budgets={"covisitation": 5, "trending": 5, "user_model": budget},
        user_model=with_user_model,
    )
    made = Cascade(index_of(ITEMS), settings)
    for before, happened in stream(3, people=8, items=ITEMS // 2, events=80):
        made.observe(before, happened)
    return made


def pointed_at(made: Cascade, items: Sequence[str], weight: float = 0.0) -> Pointing:
    """Has the cascade use a model that points at these items, and weigh it so much."""
    model = Pointing(made.index.vectors[made.index.rows_of(items)].copy())
    made.use_user_model(model)
    values = made.weights.values.copy()
    values[gates.NAMES.index("always"), catalogue.POSITION[catalogue.USER_MODEL]] = weight
    made.weights = RankerWeights(made.weights.gates, made.weights.signals, values)
    return model


def everything(made: Cascade) -> NDArray[np.bool_]:
    return np.ones(made.index.rows, np.bool_)


def test_the_source_proposes_what_lies_nearest_also_what_no_event_was_on() -> None:
    made = cascade(with_user_model=True)
    target = "i55"
    pointed_at(made, [target])
    ranking = made.rank(SOMEBODY, everything(made))
    proposed = made.index.item_ids(ranking.rows[(ranking.sources & BIT) > 0].tolist())
    assert len(proposed) == 5
    assert target in proposed
    assert target not in {made.memory.items.item_id(row) for row in range(len(made.memory))}


def test_of_several_vectors_each_has_its_nearest() -> None:
    made = cascade(with_user_model=True, budget=2)
    pointed_at(made, ["i55", "i41"])
    ranking = made.rank(SOMEBODY, everything(made))
    proposed = made.index.item_ids(ranking.rows[(ranking.sources & BIT) > 0].tolist())
    assert set(proposed) == {"i55", "i41"}


def test_reasons_sum_to_the_score_and_one_of_them_is_the_user_models() -> None:
    made = cascade(with_user_model=True)
    pointed_at(made, ["i55"], weight=2.0)
    ranking = made.rank(SOMEBODY, everything(made))
    assert made.index.item_id(int(ranking.rows[0])) == "i55"
    np.testing.assert_allclose(ranking.parts.sum(axis=1), ranking.scores, atol=1e-9)
    for position, reasons in enumerate(made.explain(SOMEBODY, ranking, range(10))):
        score = float(ranking.scores[position])
        total = math.fsum(reason.contribution for reason in reasons)
        assert abs(total - score) <= 1e-6 * max(1.0, abs(score))
        own = [reason.contribution for reason in reasons if reason.kind == FAMILY]
        assert own == pytest.approx([ranking.parts[position, ranking.part_names.index(FAMILY)]])


def test_a_list_has_items_of_the_source_with_its_reason() -> None:
    made = cascade(with_user_model=True)
    pointed_at(made, ["i55"], weight=2.0)
    profile = Profile(
        "u0",
        item_ids=SOMEBODY.item_ids,
        action_codes=bytes(3),
        weights=SOMEBODY.weights.tobytes(),
        times_ms=SOMEBODY.times_ms.tobytes(),
        action_names=("click",),
        action_counts=(3,),
    )
    order = ListOrder(profile, ListQuery(count=10), SOMEBODY.now_ms, {})
    result = cascade_list(made.index, made, order, ListSettings(candidates=1))
    (first, *_) = result.items
    assert first.item_id == "i55"
    assert FAMILY in {reason.kind for reason in first.reasons}
    for item in result.items:
        total = math.fsum(reason.contribution for reason in item.reasons)
        assert abs(total - item.score) <= 1e-6 * max(1.0, abs(item.score))


def test_it_reads_the_history_from_the_oldest_entry_with_ages_before_the_moment() -> None:
    made = cascade(with_user_model=True)
    model = pointed_at(made, ["i55"])
    made.observe(person("x"), event("x", "unheard-of", 0.0))
    entries = [("i1", 2.0, 0.0), ("unheard-of", 1.0, 20.0), ("i3", -1.0, 50.0)]
    made.rank(person("u0", entries, 60.0), everything(made))
    (history,) = model.asked
    np.testing.assert_array_equal(history.vectors, made.index.vectors[made.index.rows_of(["i1", "i3"])])
    np.testing.assert_array_equal(history.weights, [2.0, -1.0])
    np.testing.assert_allclose(history.ages_s, [60.0, 10.0])


def test_a_stranger_has_neither_candidates_nor_a_signal_of_it() -> None:
    made = cascade(with_user_model=True)
    pointed_at(made, ["i55"], weight=2.0)
    ranking = made.rank(person("stranger", now_s=60.0), everything(made))
    assert not (ranking.sources & BIT).any()
    assert not ranking.parts[:, ranking.part_names.index(FAMILY)].any()


def test_it_begins_at_0_and_learns_what_it_is_worth() -> None:
    made = cascade(with_user_model=True)
    learner = Learner(
        made, LearnSettings(online=OnlineSettings(prior_curvature=1.0, batch_events=8, warm_up_events=0))
    )
    column = catalogue.POSITION[catalogue.USER_MODEL]
    assert not made.weights.values[:, column].any()
    model = Pointing(made.index.vectors[:1])
    made.use_user_model(model)
    random = np.random.default_rng(0)
    for number in range(200):
        # People take what it points at.
        row = int(random.integers(ITEMS))
        model._vectors = made.index.vectors[row : row + 1]
        before = person(f"p{number}", [("i1", 1.0, 0.0)], 60.0 * number)
        learner.learn(before, event(f"p{number}", made.index.item_id(row), 60.0 * number), everything(made))
    assert made.weights.effective(made.candidates(before, everything(made)).gates)[column] > 0.1


def test_another_index_ends_its_use() -> None:
    made = cascade(with_user_model=True)
    model = pointed_at(made, ["i55"], weight=2.0)
    other = ItemIndex(24)
    for number in range(ITEMS):
        other.upsert(f"i{number}", np.eye(24, dtype=np.float32)[number % 24], created_at_ms=START_MS)
    made.use_index(other)
    assert made.user_model is None
    asked = len(model.asked)
    ranking = made.rank(SOMEBODY, everything(made))
    assert len(model.asked) == asked
    assert not (ranking.sources & BIT).any()


def test_a_model_that_comes_or_goes_counts_at_once() -> None:
    made = cascade(with_user_model=True)
    pointed_at(made, ["i55"], weight=2.0)
    first = made.rank(SOMEBODY, everything(made))
    made.use_user_model(None)
    without = made.rank(SOMEBODY, everything(made))
    assert (first.sources & BIT).any()
    assert not (without.sources & BIT).any()


def test_without_a_user_model_lists_are_bit_for_bit_the_same() -> None:
    plain, with_signal = cascade(with_user_model=False), cascade(with_user_model=True)
    one, other = (made.rank(SOMEBODY, everything(made)) for made in (plain, with_signal))
    assert plain.weights.signals == catalogue.NAMES
    assert FAMILY not in one.part_names
    np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_array_equal(one.scores, other.scores)
    np.testing.assert_array_equal(one.parts, other.parts[:, : len(one.part_names)])
    assert plain.parameters()["ranker"] != with_signal.parameters()["ranker"]


def test_weights_that_were_learned_before_it_came_are_kept() -> None:
    plain, with_signal = cascade(with_user_model=False), cascade(with_user_model=True)
    plain.weights.values[:] += 0.5
    with_signal.load("ranker", plain.parameters()["ranker"])
    np.testing.assert_array_equal(with_signal.weights.values[:, :-1], plain.weights.values)
    assert not with_signal.weights.values[:, -1].any()


def test_a_cascade_that_was_made_without_it_takes_none() -> None:
    made = cascade(with_user_model=False)
    with pytest.raises(SettingError, match="user_model"):
        made.use_user_model(Pointing(made.index.vectors[:1]))
