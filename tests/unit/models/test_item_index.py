"""The item index: what it holds after any changes, and its filters against a plain reading of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from models.errors import DimensionError, EncoderOutputError, ListQueryError
from models.profile import hash64
from models.retrieval import FilterRange, ItemIndex

ITEM_IDS = [f"i{number}" for number in range(12)]
words = st.sampled_from(["red", "green", "true", "", "1"])
scalars = st.one_of(
    words, st.booleans(), st.integers(-3, 3), st.floats(-3, 3), st.sampled_from([10**30, -(10**400)])
)
attribute_values = st.one_of(
    words, st.booleans(), st.integers(-3, 3), st.floats(-3, 3), st.lists(words, max_size=3)
)
attributes = st.dictionaries(st.sampled_from(["colour", "price", "tags"]), attribute_values)
bounds = st.none() | st.integers(-3, 3) | st.floats(-3, 3) | st.just(10**400)
ranges = (
    st.tuples(bounds, bounds).filter(lambda pair: pair != (None, None)).map(lambda pair: FilterRange(*pair))
)
filters = st.dictionaries(
    st.sampled_from(["colour", "price", "tags", "nobody's"]),
    st.one_of(scalars, st.lists(scalars, max_size=12), ranges),
)


def kind(value: object) -> str:
    return "bool" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def matches(value: object, wanted: object) -> bool:
    """One attribute against one part of a filter, as its documentation says."""
    if value is None:
        return False
    if isinstance(wanted, FilterRange):
        if isinstance(value, list) or kind(value) != "number":
            return False
        return (wanted.min is None or wanted.min <= value) and (wanted.max is None or value <= wanted.max)
    accepted = wanted if isinstance(wanted, list) else [wanted]
    held = value if isinstance(value, list) else [value]
    return any(kind(one) == kind(other) and one == other for one in held for other in accepted)


class IndexMachine(RuleBasedStateMachine):
    """Any sequence of changes, against a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.index = ItemIndex(4)
        self.model: dict[str, dict[str, object]] = {}

    @rule(
        item_id=st.sampled_from(ITEM_IDS),
        seed=st.none() | st.integers(0, 99),
        attributes=attributes,
        available=st.booleans(),
        popularity=st.none() | st.floats(0, 1e6),
    )
    def upsert(self, item_id, seed, attributes, available, popularity) -> None:
        vector = None if seed is None else np.random.default_rng(seed).standard_normal(4).astype(np.float32)
        before = self.model.get(item_id, {}).get("popularity", 0.0)
        self.index.upsert(
            item_id,
            vector,
            created_at_ms=seed or 0,
            attributes=attributes,
            available=available,
            popularity=popularity,
        )
        self.model[item_id] = {
            "vector": np.zeros(4) if vector is None else vector,
            "created_at_ms": seed or 0,
            "attributes": attributes,
            "available": available,
            "popularity": before if popularity is None else popularity,
        }

    @rule(item_id=st.sampled_from(ITEM_IDS))
    def remove(self, item_id) -> None:
        assert self.index.remove(item_id) == (self.model.pop(item_id, None) is not None)

    @rule(popularity=st.dictionaries(st.sampled_from(ITEM_IDS), st.floats(0, 1e6)))
    def set_popularity(self, popularity) -> None:
        self.index.set_popularity(popularity)
        for item_id in popularity.keys() & self.model.keys():
            self.model[item_id]["popularity"] = popularity[item_id]

    @rule(wanted=filters)
    def filter(self, wanted) -> None:
        rows = np.flatnonzero(self.index.matching(wanted))
        expected = {
            item_id
            for item_id, item in self.model.items()
            if all(matches(item["attributes"].get(name), value) for name, value in wanted.items())
        }
        assert {self.index.item_id(row) for row in rows} == expected

    @invariant()
    def holds_what_it_was_given(self) -> None:
        index = self.index
        assert len(index) == len(self.model) == index.live.sum()
        assert dict(index.item_rows).keys() == self.model.keys()
        assert index.rows <= len(ITEM_IDS)
        logs = {
            item_id: np.log1p(item["popularity"]) if item["popularity"] >= 1e-6 else 0.0
            for item_id, item in self.model.items()
        }
        largest = max(logs.values(), default=0.0)
        for item_id, item in self.model.items():
            row = index.item_rows[item_id]
            assert item_id in index
            assert index.item_id(row) == item_id
            np.testing.assert_array_equal(index.vectors[row], item["vector"])
            assert index.created_at_ms[row] == item["created_at_ms"]
            assert index.available[row] == item["available"]
            share = logs[item_id] / largest if largest else 0.0
            assert index.popularity()[row] == pytest.approx(share, abs=1e-6)
        assert not index.available[~index.live].any()
        hashes = np.frombuffer(b"".join(map(hash64, ITEM_IDS)), "<u8")
        assert sorted(index.rows_of_hashes(hashes)) == sorted(index.item_rows.values())
        assert sorted(index.rows_of(ITEM_IDS * 2)) == sorted(index.item_rows.values())


IndexMachine.TestCase.settings = hypothesis_settings(max_examples=60, stateful_step_count=25, deadline=None)
TestIndexMachine = IndexMachine.TestCase


def index_of(*attributes: dict[str, object]) -> ItemIndex:
    index = ItemIndex(4)
    for number, own in enumerate(attributes):
        index.upsert(f"i{number}", None, created_at_ms=0, attributes=own)  # type: ignore[arg-type]
    return index


def test_filters_by_example() -> None:
    index = index_of(
        {"category": "lamp", "price": 20, "tags": ["new", "blue"], "sale": True},
        {"category": "lamp", "price": 99.5, "tags": ["blue"]},
        {"category": "chair", "price": 20.0, "sale": 1},
        {},
    )

    def rows(**wanted: object) -> list[int]:
        return np.flatnonzero(index.matching(wanted)).tolist()

    assert rows(category="lamp") == [0, 1]
    assert rows(category=["chair", "sofa"]) == [2]
    assert rows(category=[]) == []
    assert rows(tags="blue") == [0, 1]
    assert rows(tags=["new", "old"]) == [0]
    assert rows(price=20) == [0, 2]
    assert rows(price=FilterRange(max=20)) == [0, 2]
    assert rows(price=FilterRange(20.5, 100)) == [1]
    assert rows(sale=True) == [0]
    assert rows(sale=1) == [2]
    assert rows(category="lamp", price=FilterRange(min=50), tags="blue") == [1]
    assert rows(unheard_of=1) == []
    assert rows() == [0, 1, 2, 3]


def test_a_filter_follows_changes_made_after_it_was_first_used() -> None:
    index = index_of({"stock": 1, "tags": ["a"]}, {"stock": 0})
    assert np.flatnonzero(index.matching({"stock": 1})).tolist() == [0]
    assert np.flatnonzero(index.matching({"tags": "a"})).tolist() == [0]
    index.upsert("i1", None, created_at_ms=0, attributes={"stock": 1, "tags": ["a", "b"]})
    index.upsert("i0", None, created_at_ms=0, attributes={"stock": 0})
    assert np.flatnonzero(index.matching({"stock": 1})).tolist() == [1]
    assert np.flatnonzero(index.matching({"tags": "a"})).tolist() == [1]


@pytest.mark.parametrize("before", [1, "1", True, ["1"]])
@pytest.mark.parametrize("after", [1, "1", True, ["1"], None])
def test_an_attribute_that_changes_its_type_leaves_nothing_behind(before: object, after: object) -> None:
    index = index_of({"x": before}, {"x": 1}, {"x": "1"}, {"x": True})
    wanted = {"number": 1, "text": "1", "bool": True}
    for value in wanted.values():
        index.matching({"x": value})
    index.upsert("i0", None, created_at_ms=0, attributes={} if after is None else {"x": after})  # type: ignore[dict-item]
    found = {name for name, value in wanted.items() if index.matching({"x": value})[0]}
    held = after[0] if isinstance(after, list) else after
    assert found == (set() if held is None else {kind(held)})


def test_columns_grow_and_forget_values_that_no_item_has() -> None:
    index = index_of({"sku": "first"})
    assert index.matching({"sku": "first"}).tolist() == [True]
    for number in range(3_000):
        index.upsert(f"n{number % 1_500}", None, created_at_ms=0, attributes={"sku": f"s{number}"})
    assert index.rows == 1_501
    assert index.matching({"sku": ["s2999", "s1499", "first"]}).sum() == 2
    for number in range(9_000):
        index.upsert("i0", None, created_at_ms=0, attributes={"sku": f"again-{number}"})
    assert index.matching({"sku": "again-8999"}).tolist()[0]
    assert index._attributes._columns["sku"].distinct_values < 6_000


def test_columns_for_filters_are_bounded() -> None:
    index = index_of({f"a{number}": number for number in range(200)})
    for number in range(200):
        assert index.matching({f"a{number}": number}).all()
        assert not index.matching({f"unknown {number}": number}).any()
    assert len(index.filtered_by) == 64


def test_rows_of_removed_items_are_used_again() -> None:
    index = ItemIndex(2)
    for generation in range(5):
        for number in range(700):
            index.upsert(f"g{generation}-{number}", np.ones(2, np.float32), created_at_ms=1, popularity=5.0)
        for number in range(700):
            assert index.remove(f"g{generation}-{number}")
    assert index.rows == 700
    assert len(index) == 0
    assert not index.vectors.any()
    assert not index.popularity().any()
    with pytest.raises(IndexError, match="free"):
        index.item_id(0)


def test_a_replaced_item_keeps_its_popularity_unless_given_another() -> None:
    index = index_of({}, {})
    index.set_popularity({"i0": 3.0, "i1": 8.0, "nobody": 99.0})
    index.upsert("i0", None, created_at_ms=0)
    np.testing.assert_allclose(index.popularity(), [np.log(4) / np.log(9), 1.0], rtol=1e-6)
    index.set_popularity({"i1": 0.0, "i0": float("nan")})
    assert index.popularity().tolist() == [0.0, 0.0]
    index.set_popularity({"i1": float("inf"), "i0": -1.0})
    assert index.popularity().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("vector", [np.ones(5, np.float32), np.ones((1, 4), np.float32)])
def test_a_vector_of_another_shape_is_refused_and_nothing_changes(vector: np.ndarray) -> None:
    index = index_of({})
    with pytest.raises(DimensionError, match=r"\[4\].*'x'.*"):
        index.upsert("x", vector, created_at_ms=0)
    with pytest.raises(EncoderOutputError, match="not finite"):
        index.upsert("x", np.array([0, 0, 0, np.nan], np.float32), created_at_ms=0)
    assert len(index) == index.rows == 1


@pytest.mark.parametrize("wrong", [None, {"min": 1}, [["a"]], [None], object()])
def test_a_filter_of_another_type_is_refused(wrong: object) -> None:
    with pytest.raises(ListQueryError, match="filter `colour` must be"):
        index_of({"colour": "red"}).matching({"colour": wrong})


@given(st.sampled_from([(None, None), (float("nan"), 1.0), (1.0, float("nan"))]))
def test_a_range_without_bounds_is_refused(pair: tuple[float | None, float | None]) -> None:
    with pytest.raises(ListQueryError, match="range"):
        FilterRange(*pair)
