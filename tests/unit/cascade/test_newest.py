"""The newest items of an index, whatever came, went and changed since the order was made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.retrieval import newest
from models.retrieval.index import ItemIndex

ITEMS = [f"i{number}" for number in range(12)]
# Item, when it was created (None: it is withdrawn), and how many are then asked for.
Change = tuple[str, int | None, int]


@given(
    st.lists(
        st.tuples(st.sampled_from(ITEMS), st.none() | st.integers(0, 3), st.integers(1, 12)), max_size=40
    ),
    st.integers(0, 5),
)
def test_the_newest_are_those_that_sorting_finds(changes: list[Change], least_touched: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(newest, "_LEAST_TOUCHED", least_touched)
        index = ItemIndex(2)
        for number, (item_id, created_at_ms, count) in enumerate(changes):
            if created_at_ms is None:
                index.remove(item_id)
            else:
                index.upsert(item_id, None, created_at_ms=created_at_ms)
            eligible = index.live.copy()
            eligible[number % 5 :: 5] = False
            order = np.lexsort((index.hashes, -index.created_at_ms))
            assert index.newest(eligible, count).tolist() == order[eligible[order]][:count].tolist()
