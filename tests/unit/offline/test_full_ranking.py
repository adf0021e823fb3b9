"""Ranks among the whole catalogue, against a list sorted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.errors import EvaluationInputError
from models.evaluation import full_ranking
from models.evaluation.full_ranking import NO_ITEM, rank_all
from tests.unit.offline.worlds import matrix

SCORES = np.array([[0.9, 0.1, 0.5, -0.3], [0.0, 0.4, 0.2, 0.8]], np.float32)


def fixed(scores: NDArray[np.float32]) -> Any:
    return lambda users: scores[users]


def test_a_rank_is_among_what_was_not_taken_before() -> None:
    target, seen = matrix([(0, 2), (0, 3), (1, 0)], (2, 4)), matrix([(0, 0), (1, 3)], (2, 4))
    found = rank_all(fixed(SCORES), target, seen, depth=3)
    assert found.users.tolist() == [0, 1]
    assert list(zip(found.owner.tolist(), found.items.tolist(), found.ranks.tolist(), strict=True)) == [
        (0, 2, 1),
        (0, 3, 3),
        (1, 0, 3),
    ]
    assert found.candidates.tolist() == [3, 3]
    assert found.lists.tolist() == [[2, 1, 3], [1, 2, 0]]


def test_only_allowed_items_are_candidates_and_lists_end_where_they_do() -> None:
    target, seen = matrix([(0, 2), (1, 0)], (2, 4)), matrix([], (2, 4))
    found = rank_all(fixed(SCORES), target, seen, depth=3, allowed=np.array([False, False, True, True]))
    # What the second person took is no candidate, so that there is nothing to rank.
    assert (found.users.tolist(), found.ranks.tolist(), found.candidates.tolist()) == ([0], [1], [2])
    assert found.lists.tolist() == [[2, 3, NO_ITEM]]


def test_a_model_that_says_nothing_ranks_by_chance_not_by_the_number_of_the_item() -> None:
    people, items = 40, 200
    target = matrix([(person, person) for person in range(people)], (people, items))
    ranks = rank_all(fixed(np.zeros((people, items), np.float32)), target, matrix([], (people, items))).ranks
    assert len(set(ranks.tolist())) == people
    assert 60 < ranks.mean() < 140


def test_zero_and_minus_zero_are_the_same_score() -> None:
    items = 50
    signs = np.where(np.arange(items) % 2, np.float32(-0.0), np.float32(0.0))[None]
    target, seen = matrix([(0, item) for item in range(items)], (1, items)), matrix([], (1, items))
    of_zeros = rank_all(fixed(np.zeros((1, items), np.float32)), target, seen)
    assert rank_all(fixed(signs), target, seen).items.tolist() == of_zeros.items.tolist()


@given(
    st.lists(st.lists(st.integers(-3, 3), min_size=7, max_size=7), min_size=1, max_size=6),
    st.data(),
)
def test_ranks_and_lists_are_those_of_a_sorted_list(rows: list[list[int]], data: st.DataObject) -> None:
    scores = np.array(rows, np.float32) / 3
    people, items = scores.shape
    cells = st.tuples(st.integers(0, people - 1), st.integers(0, items - 1))
    held_out = data.draw(st.sets(cells))
    before = data.draw(st.sets(cells))
    found = rank_all(
        fixed(scores), matrix(sorted(held_out), scores.shape), matrix(sorted(before), scores.shape), depth=4
    )
    ranks = {
        (int(found.users[owner]), item): rank
        for owner, item, rank in zip(
            found.owner.tolist(), found.items.tolist(), found.ranks.tolist(), strict=True
        )
    }
    assert ranks.keys() == held_out - before
    for person, shown in zip(found.users.tolist(), found.lists.tolist(), strict=True):
        candidates = [item for item in range(items) if (person, item) not in before]
        for item in candidates:
            if (person, item) in ranks:
                better = sum(scores[person, other] > scores[person, item] for other in candidates)
                equal = sum(scores[person, other] == scores[person, item] for other in candidates)
                assert better < ranks[person, item] <= better + equal
                place = ranks[person, item] - 1
                assert place >= len(shown) or shown[place] == item
        real = [item for item in shown if item != NO_ITEM]
        assert len(real) == min(4, len(candidates))
        assert not set(real) & {item for who, item in before if who == person}
        assert [scores[person, item] for item in real] == sorted(scores[person, real], reverse=True)


def test_people_are_ranked_in_blocks_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    scores = random.standard_normal((30, 20)).astype(np.float32)
    target = matrix([(person, item) for person in range(30) for item in (person % 20, 3)], (30, 20))
    seen = matrix([(person, (person + 1) % 20) for person in range(30)], (30, 20))
    whole = rank_all(fixed(scores), target, seen)
    monkeypatch.setattr(full_ranking, "_BLOCK_BYTES", 12 * 20 * 7)
    told: list[tuple[int, int]] = []
    parts = rank_all(fixed(scores), target, seen, on_progress=lambda done, total: told.append((done, total)))
    for name in ("users", "owner", "items", "ranks", "candidates", "lists"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name
    assert told == [(7, 30), (14, 30), (21, 30), (28, 30), (30, 30)]


def test_scores_that_are_not_finite_or_of_another_shape_are_refused() -> None:
    target, seen = matrix([(0, 0)], (1, 2)), matrix([], (1, 2))
    with pytest.raises(EvaluationInputError, match="not finite"):
        rank_all(fixed(np.array([[np.nan, 1.0]], np.float32)), target, seen)
    with pytest.raises(EvaluationInputError, match=r"\(1, 3\)"):
        rank_all(fixed(np.zeros((1, 3), np.float32)), target, seen)
