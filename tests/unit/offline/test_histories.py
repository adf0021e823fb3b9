"""Histories go with the training part of a split: nothing that is held out is in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.datasets.interactions import Histories, InteractionData
from models.evaluation.splits import hold_out_items, split
from tests.unit.offline.worlds import world


def data_of(seed: int) -> InteractionData:
    """With a history: each pair, and a dislike of another item a moment later."""
    plain = world(people=12, items=15, each=5, seed=seed)
    random = np.random.default_rng(seed)
    assert plain.times_ms is not None
    users = np.tile(plain.pairs[:, 0], 2)
    items = np.concatenate([plain.pairs[:, 1], random.integers(0, plain.items, len(plain.pairs))])
    weights = np.repeat(np.array([1.0, -1.0], np.float32), len(plain.pairs))
    times_ms = np.concatenate(
        [plain.times_ms * 10, plain.times_ms * 10 + random.integers(0, 9, len(plain.pairs))]
    )
    order = np.lexsort((times_ms, users))
    histories = Histories(users[order], items[order], weights[order], times_ms[order])
    return replace(plain, times_ms=plain.times_ms * 10, histories=histories, parts=None)


@given(st.integers(0, 200), st.sampled_from(["time", "leave-one-out"]))
@settings(max_examples=30, deadline=None)
def test_they_hold_what_is_trained_on_and_nothing_later_or_held_out(seed: int, protocol: str) -> None:
    data = data_of(seed)
    parts = split(data, protocol)  # type: ignore[arg-type]
    histories = parts.histories
    assert histories is not None
    liked = histories.weights > 0
    known = set(zip(histories.users[liked].tolist(), histories.items[liked].tolist(), strict=True))
    assert known == set(zip(*(one.tolist() for one in parts.train.nonzero()), strict=True))
    times = {tuple(pair): at for pair, at in zip(data.pairs.tolist(), data.times_ms.tolist(), strict=True)}  # type: ignore[union-attr]
    newest = {user: max(times[pair] for pair in known if pair[0] == user) for user, _ in known}
    pairs = zip(histories.users.tolist(), histories.items.tolist(), histories.times_ms.tolist(), strict=True)
    for user, item, at in pairs:
        assert at <= newest[user]
        assert (user, item) in known or (user, item) not in times
    if protocol == "time":
        assert histories.as_of_ms == max(newest.values())
    else:
        assert histories.as_of_ms is None
    assert (np.diff(histories.users) >= 0).all()


def test_items_held_out_as_new_are_in_no_history() -> None:
    parts = split(data_of(1), "time")
    cold = hold_out_items(parts, 0.2)
    histories = cold.split.histories
    assert histories is not None
    assert parts.histories is not None
    assert not cold.is_cold[histories.items].any()
    assert len(histories) == int((~cold.is_cold[parts.histories.items]).sum())
    assert histories.as_of_ms == parts.histories.as_of_ms


@pytest.mark.parametrize("changes", [{"histories": None}, {"times_ms": None, "parts": world().parts}])
def test_without_times_there_are_none(changes: dict[str, object]) -> None:
    data = replace(world(), **changes)  # type: ignore[arg-type]
    assert split(data, "official").histories is None
