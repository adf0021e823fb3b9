"""Popularity follows the counters, decays, and reaches items that come later."""

from __future__ import annotations

import numpy as np
import pytest

from models.retrieval import ItemIndex
from streams.settings import RecommendSettings
from workers.popularity import FULL_REFRESH_S, PopularityFollower
from workers.state.memory_store import MemoryStateStore
from workers.state.store import CounterIncrement, StateChange

HALF_LIFE_S = 7 * 86_400.0


async def test_popularity_decays_and_reaches_items_that_come_later() -> None:
    store, index, now_s = MemoryStateStore(), ItemIndex(2), [0.0]
    follower = PopularityFollower(store, index, RecommendSettings(), clock=lambda: now_s[0])
    index.upsert("hit", np.array([1.0, 0.0]), created_at_ms=0)
    index.upsert("other", np.array([0.0, 1.0]), created_at_ms=0)
    adds = [CounterIncrement("hit", 3.0, 0.0), CounterIncrement("late", 3.0, 0.0)]
    await store.commit("profile", StateChange(increments=adds, counter_half_life_s=HALF_LIFE_S))
    await follower.refresh()
    assert index.popularity().tolist() == [1.0, 0.0]

    now_s[0] = HALF_LIFE_S
    index.upsert("late", None, created_at_ms=0)
    add = CounterIncrement("other", 3.0, HALF_LIFE_S)
    await store.commit("profile", StateChange(increments=[add], counter_half_life_s=HALF_LIFE_S))
    await follower.refresh()
    half = np.log1p(1.5) / np.log1p(3.0)
    assert now_s[0] > FULL_REFRESH_S
    assert index.popularity().tolist() == pytest.approx([half, 1.0, half])
