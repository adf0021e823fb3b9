"""Novelty by popularity: shares of decayed counters, whenever they are looked at."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.popularity_shares import PopularityShares
from workers.state.memory_store import MemoryStateStore
from workers.state.store import CounterIncrement, StateChange

HALF_LIFE_S = 86_400.0


async def add(store: MemoryStateStore, item_id: str, weight: float, at_s: float) -> None:
    change = StateChange(
        increments=[CounterIncrement(item_id, weight, at_s)], counter_half_life_s=HALF_LIFE_S
    )
    assert await store.commit("profile", change)


async def test_what_everybody_knows_has_few_bits() -> None:
    store = MemoryStateStore()
    shares = PopularityShares(store, HALF_LIFE_S, lambda: 0.0)
    assert shares.novelty_bits("any") == 0.0
    await add(store, "known", 14.0, 0.0)
    await shares.refresh()
    # 15 and 1 of 16.
    assert shares.novelty_bits("known") == pytest.approx(-math.log2(15 / 16))
    assert shares.novelty_bits("new") == 4.0


TIMES_S = st.floats(0, 20 * HALF_LIFE_S)


@given(
    adds=st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.floats(0.1, 50),
            st.floats(0, 20 * HALF_LIFE_S),
            st.booleans(),
        ),
        min_size=1,
        max_size=12,
    )
)
async def test_shares_are_those_of_all_counters_decayed_to_now(
    adds: list[tuple[str, float, float, bool]],
) -> None:
    store, now_s = MemoryStateStore(), 0.0
    shares = PopularityShares(store, HALF_LIFE_S, lambda: now_s)
    for item_id, weight, at_s, is_refreshed in adds:
        await add(store, item_id, weight, at_s)
        if is_refreshed:
            await shares.refresh()
    await shares.refresh()
    now_s = 20 * HALF_LIFE_S
    decayed = {"a": 0.0, "b": 0.0, "c": 0.0}
    for item_id, weight, at_s, _ in adds:
        decayed[item_id] += weight * 2 ** ((at_s - now_s) / HALF_LIFE_S)
    known = {item_id for item_id, *_ in adds}
    total = sum(decayed.values()) + len(known) + 1
    for item_id, count in decayed.items():
        assert shares.novelty_bits(item_id) == pytest.approx(-math.log2((count + 1) / total), rel=1e-6)
