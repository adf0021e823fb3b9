"""Rows near a direction: all that is near where vectors lie in groups, whatever came, moved and went."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.retrieval import ItemIndex, neighbourhoods

DIMENSION = 16
GROUPS = 20
ITEMS = 3_000


def grouped(seed: int, items: int) -> np.ndarray:
    """Unit vectors around the same centres, float32 [items, DIMENSION]."""
    centres = np.random.default_rng(0).normal(size=(GROUPS, DIMENSION))
    random = np.random.default_rng(seed)
    vectors = centres[np.arange(items) % GROUPS] + 0.3 * random.normal(size=(items, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def index_of(vectors: np.ndarray, order: np.ndarray) -> ItemIndex:
    index = ItemIndex(DIMENSION)
    for number in order.tolist():
        index.upsert(f"i{number}", vectors[number], created_at_ms=0)
    return index


def best(index: ItemIndex, direction: np.ndarray, rows: np.ndarray, count: int = 30) -> set[str]:
    order = rows[np.argsort(-(index.vectors[rows] @ direction), kind="stable")]
    return {index.item_id(row) for row in order[:count].tolist()}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbourhoods, "_MOST_TOUCHED", 50)
    monkeypatch.setattr(neighbourhoods, "_SAMPLE_EACH", 4)
    monkeypatch.setattr(neighbourhoods, "_BLOCK_ROWS", 200)


def settle(index: ItemIndex) -> None:
    """Look until all rows are in cells: each look puts a block there."""
    for _ in range(60):
        index.near(index.vectors[0], index.available, 1)


def test_a_warm_index_has_all_rows_in_cells_at_its_first_look() -> None:
    index = index_of(grouped(1, ITEMS), np.arange(ITEMS))
    assert len(index.near(index.vectors[0], index.available, 100)) == ITEMS
    index.warm_up(())
    assert len(index.near(index.vectors[0], index.available, 100)) < ITEMS / 4


def test_of_vectors_in_groups_the_nearest_are_found_among_few() -> None:
    vectors = grouped(1, ITEMS)
    index = index_of(vectors, np.arange(ITEMS))
    settle(index)
    eligible = index.available.copy()
    eligible[::7] = False
    for query in grouped(2, 10):
        rows = index.near(query, eligible, 400)
        assert 400 <= len(rows) < 700
        assert eligible[rows].all()
        assert (np.diff(rows) > 0).all()
        assert len(best(index, query, rows) & best(index, query, np.flatnonzero(eligible))) >= 28


def test_many_items_lie_in_smaller_cells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(neighbourhoods, "CELLS", 16)
    monkeypatch.setattr(neighbourhoods, "MORE_CELLS", 64)
    monkeypatch.setattr(neighbourhoods, "MANY_ROWS", ITEMS // 2)
    by_code = neighbourhoods.nearest_codes
    monkeypatch.setattr(neighbourhoods, "_CODES_SHARE", ITEMS)
    monkeypatch.setattr(neighbourhoods, "nearest_codes", lambda differing, _: np.ones(len(differing), bool))
    few, many = (index_of(grouped(1, items), np.arange(items)) for items in (ITEMS // 2 - 1, ITEMS))
    widths = []
    for index in (few, many):
        index.warm_up(())
        # One cell is enough for one row: how many rows there are tells how large it is.
        widths.append(np.mean([len(index.near(query, index.available, 1)) for query in grouped(2, 40)]))
    assert widths[1] < widths[0]
    monkeypatch.setattr(neighbourhoods, "nearest_codes", by_code)
    for query in grouped(3, 10):
        rows = many.near(query, many.available, ITEMS // 6)
        assert len(best(many, query, rows) & best(many, query, np.flatnonzero(many.available))) >= 28


@pytest.mark.parametrize(("count", "least"), [(20, 2_048), (128, 2_048), (200, 3_200)])
def test_for_more_that_are_to_be_found_more_are_looked_at(count: int, least: int) -> None:
    assert neighbourhoods.least_near(count) == least


def test_of_vectors_that_lie_in_no_groups_most_of_the_nearest_are_found_by_their_codes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Vectors of a tenth are looked at, which by cells alone would hold less of them."""
    random = np.random.default_rng(6)
    vectors = random.normal(size=(ITEMS + 20, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = index_of(vectors[:ITEMS], np.arange(ITEMS))
    index.warm_up(())
    found = [
        len(best(index, query, rows) & best(index, query, np.flatnonzero(index.available)))
        for query in vectors[ITEMS:]
        for rows in [index.near(query, index.available, ITEMS // 10)]
    ]
    assert np.mean(found) > 27


def test_workers_that_number_rows_otherwise_find_the_same() -> None:
    vectors = grouped(1, ITEMS)
    one = index_of(vectors, np.arange(ITEMS))
    other = index_of(vectors, np.random.default_rng(5).permutation(ITEMS))
    settle(one)
    settle(other)
    for query in grouped(3, 5):
        found = [
            {index.item_id(row) for row in index.near(query, index.available, 300).tolist()}
            for index in (one, other)
        ]
        assert found[0] == found[1]


def test_what_has_just_come_moved_or_gone_is_known_at_once() -> None:
    vectors = grouped(1, ITEMS)
    index = index_of(vectors, np.arange(ITEMS))
    query = vectors[0]
    settle(index)
    index.remove("i0")
    index.upsert("new", query, created_at_ms=0)
    index.upsert("i1", query, created_at_ms=0)
    rows = index.near(query, index.available, 100)
    found = {index.item_id(row) for row in rows.tolist()}
    assert {"new", "i1"} <= found
    assert index.item_rows["new"] == 0, "the row of what has gone"
    # Enough changes that all are put into cells: nothing is looked at twice, or lost.
    for number in range(100, 160):
        index.upsert(f"i{number}", query, created_at_ms=0)
    settle(index)
    rows = index.near(query, index.available, 100)
    assert len(set(rows.tolist())) == len(rows)
    assert {f"i{number}" for number in range(100, 160)} <= {index.item_id(row) for row in rows.tolist()}


def test_all_that_is_eligible_is_found_where_it_is_little() -> None:
    index = index_of(grouped(1, ITEMS), np.arange(ITEMS))
    eligible = np.zeros(ITEMS, np.bool_)
    eligible[[3, 700, 2_999]] = True
    assert index.near(index.vectors[0], eligible, 400).tolist() == [3, 700, 2_999]
    settle(index)
    assert index.near(index.vectors[0], eligible, 400).tolist() == [3, 700, 2_999]


def test_many_withdrawn_items_leave_the_others_to_be_found() -> None:
    vectors = grouped(1, ITEMS)
    index = index_of(vectors, np.arange(ITEMS))
    for number in range(2_500):
        index.remove(f"i{number}")
    settle(index)
    query = vectors[2_600]
    rows = index.near(query, index.available, 100)
    assert 100 <= len(rows) < 400
    assert len(best(index, query, rows) & best(index, query, np.flatnonzero(index.available))) >= 28


def test_an_index_without_vectors_has_nothing_near() -> None:
    index = ItemIndex(DIMENSION)
    for number in range(200):
        index.upsert(f"i{number}", None, created_at_ms=0)
    assert index.near(np.ones(DIMENSION, np.float32), index.available, 10).tolist() == []


def test_no_look_waits_for_more_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[int] = []
    nearest = neighbourhoods._nearest

    def counted(vectors: np.ndarray, centres: np.ndarray) -> np.ndarray:
        blocks.append(len(vectors))
        return nearest(vectors, centres)

    monkeypatch.setattr(neighbourhoods, "_nearest", counted)
    index = index_of(grouped(1, ITEMS), np.arange(ITEMS))
    for _ in range(60):
        before = len(blocks)
        index.near(index.vectors[0], index.available, 100)
        assert len(blocks) - before <= 1
    # Three steps over the sample, and each row once.
    assert sum(blocks) == 3 * 4 * neighbourhoods.CELLS + ITEMS
    assert max(blocks) == 200


@given(
    st.lists(
        st.tuples(st.sampled_from(["move", "remove", "add", "look"]), st.integers(0, 1_200)), max_size=300
    ),
    st.integers(0, 3),
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_changes_while_rows_are_put_into_cells_nothing_is_lost(
    changes: list[tuple[str, int]], rest: int
) -> None:
    """All eligible rows are found once where so many are asked for; those that moved where they are now."""
    vectors = grouped(1, 1_000)
    index = index_of(vectors, np.arange(1_000))
    for number in range(10 * rest):
        index.near(vectors[number], index.available, 1)
    moved: dict[str, np.ndarray] = {}
    for what, number in changes:
        item_id = f"i{number}"
        if what == "remove":
            index.remove(item_id)
            moved.pop(item_id, None)
        elif what == "look":
            rows = index.near(vectors[number % 1_000], index.available, 10_000)
            assert rows.tolist() == np.flatnonzero(index.available).tolist()
        else:
            moved[item_id] = vectors[(7 * number) % 1_000]
            index.upsert(item_id, moved[item_id], created_at_ms=0)
    for _ in range(30):
        for item_id, vector in moved.items():
            rows = index.near(vector, index.available, 200)
            assert index.item_rows[item_id] in rows
