"""A filter asked about one item means what the index's columns mean."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ListQueryError
from models.retrieval import FilterRange, ItemIndex
from models.retrieval.item_filter import ItemFilter

words = st.sampled_from(["a", "b", "True", "1", ""])
numbers = st.sampled_from([0, 1, 2, 1.0, 0.5, -1, 10**400, -(10**400), math.inf, 2**53 + 1])
scalars = words | st.booleans() | numbers
names = st.sampled_from(["x", "y", "z"])
bounds = st.none() | numbers
ranges = (
    st.tuples(bounds, bounds).filter(lambda both: both != (None, None)).map(lambda both: FilterRange(*both))
)
items = st.dictionaries(names, scalars | st.lists(words, max_size=3))
filters = st.dictionaries(names, scalars | st.lists(scalars, max_size=10) | ranges)


@given(st.lists(items, min_size=1, max_size=6), filters)
def test_it_agrees_with_the_index(attributes, wanted) -> None:
    # The index keeps attributes as MessagePack, whose integers have 64 bits.
    attributes = [
        {
            name: float("inf") if isinstance(value, int) and abs(value) > 2**60 else value
            for name, value in one.items()
        }
        for one in attributes
    ]
    index = ItemIndex(2)
    for number, one in enumerate(attributes):
        index.upsert(str(number), None, created_at_ms=0, attributes=one)
    item_filter = ItemFilter(wanted)
    expected = index.matching(wanted).tolist()
    assert [item_filter.matches(one) for one in attributes] == expected
    assert item_filter.positions(attributes) == [row for row, holds in enumerate(expected) if holds]


@pytest.mark.parametrize(
    ("attributes", "holds"),
    [
        ({"price": 20, "tags": ["new", "sale"]}, True),
        ({"price": 21, "tags": ["sale"]}, False),
        ({"price": 20}, False),
        ({"price": True, "tags": "sale"}, False),
        ({"price": "20", "tags": "sale"}, False),
    ],
)
def test_every_part_must_hold(attributes, holds) -> None:
    assert ItemFilter({"price": FilterRange(max=20), "tags": ["sale", "gift"]}).matches(attributes) is holds


def test_nan_equals_nothing() -> None:
    assert not ItemFilter({"x": math.nan}).matches({"x": math.nan})


def test_a_value_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(ListQueryError, match="`x`"):
        ItemFilter({"x": {"min": 1}})
