"""How interactions are parted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.datasets import InteractionData
from models.datasets.interactions import TEST
from models.errors import DatasetError
from models.evaluation.splits import PROTOCOLS, Protocol, hold_out_items, split, usual_protocol
from tests.unit.offline.worlds import world


def cells(matrix: object) -> set[tuple[int, int]]:
    entries = matrix.tocoo()  # type: ignore[attr-defined]
    return set(zip(*(numbers.tolist() for numbers in entries.coords), strict=True))


def pairs_of(data: InteractionData, is_in: np.ndarray) -> set[tuple[int, int]]:
    return {(int(user), int(item)) for user, item in data.pairs[is_in]}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(seed=st.integers(0, 1_000))
def test_no_interaction_is_in_two_parts_and_none_is_invented(protocol: Protocol, seed: int) -> None:
    data = world(people=20, items=15, each=5, seed=seed)
    found = split(data, protocol)
    train, validation, test = cells(found.train), cells(found.validation), cells(found.test)
    assert len(train) + len(validation) + len(test) == len(train | validation | test)
    assert train | validation | test <= pairs_of(data, np.ones(len(data.pairs), np.bool_))
    assert cells(found.seen_at_test) == train | validation
    for matrix in (found.train, found.validation, found.test):
        assert matrix.dtype == np.float32
        assert (matrix.data == 1).all()


def test_the_official_split_is_taken_as_it_is(tastes: InteractionData) -> None:
    assert tastes.parts is not None
    assert cells(split(tastes, "official").test) == pairs_of(tastes, tastes.parts == TEST)
    assert usual_protocol(tastes) == "official"


def test_by_time_nothing_of_the_test_is_earlier_than_what_is_learned(tastes: InteractionData) -> None:
    found = split(tastes, "time")
    assert tastes.times_ms is not None
    when = {(int(u), int(i)): int(at) for (u, i), at in zip(tastes.pairs, tastes.times_ms, strict=True)}
    last = max(when[cell] for cell in cells(found.train))
    assert last < min(when[cell] for cell in cells(found.validation))
    assert max(when[cell] for cell in cells(found.validation)) < min(when[cell] for cell in cells(found.test))
    assert found.train.nnz == pytest.approx(0.8 * len(when), abs=1)


def test_interactions_of_one_moment_are_never_parted(tastes: InteractionData) -> None:
    assert tastes.times_ms is not None
    moments = tastes.times_ms // 50
    found = split(replace(tastes, times_ms=moments), "time")
    when = {(int(u), int(i)): int(at) for (u, i), at in zip(tastes.pairs, moments, strict=True)}
    parts = [{when[cell] for cell in cells(part)} for part in (found.train, found.validation, found.test)]
    assert sum(map(len, parts)) == len(set.union(*parts))


def test_leaving_one_out_takes_the_last_two_of_each_person(tastes: InteractionData) -> None:
    found = split(tastes, "leave-one-out")
    assert tastes.times_ms is not None
    for person in range(tastes.users):
        own = tastes.pairs[:, 0] == person
        order = tastes.pairs[own][np.argsort(tastes.times_ms[own]), 1].tolist()
        assert found.test[[person]].indices.tolist() == [order[-1]]
        assert found.validation[[person]].indices.tolist() == [order[-2]]
        assert sorted(found.train[[person]].indices.tolist()) == sorted(order[:-2])


def test_people_of_fewer_than_three_are_learned_from_alone() -> None:
    data = InteractionData(
        "few",
        2,
        4,
        np.array([[0, 0], [0, 1], [1, 0], [1, 1], [1, 2]], np.int64),
        np.arange(5, dtype=np.int64),
    )
    found = split(data, "leave-one-out")
    assert cells(found.train) == {(0, 0), (0, 1), (1, 0)}
    assert (cells(found.validation), cells(found.test)) == ({(1, 1)}, {(1, 2)})


def test_without_times_the_last_is_drawn_and_always_the_same(tastes: InteractionData) -> None:
    timeless = replace(tastes, times_ms=None, parts=None)
    assert usual_protocol(timeless) == "leave-one-out"
    one, other = split(timeless, "leave-one-out"), split(timeless, "leave-one-out")
    assert cells(one.test) == cells(other.test)
    assert one.test.nnz == tastes.users


@pytest.mark.parametrize(("protocol", "missing"), [("official", "no official split"), ("time", "no times")])
def test_what_a_protocol_lacks_is_named(tastes: InteractionData, protocol: Protocol, missing: str) -> None:
    with pytest.raises(DatasetError, match=missing):
        split(replace(tastes, times_ms=None, parts=None), protocol)


def test_a_part_that_would_be_empty_is_named() -> None:
    data = InteractionData("two", 1, 2, np.array([[0, 0], [0, 1]], np.int64), np.array([1, 2], np.int64))
    with pytest.raises(DatasetError, match="validation part is empty"):
        split(data, "leave-one-out")


def test_nothing_of_a_held_out_item_is_learned_or_validated(tastes: InteractionData) -> None:
    whole = split(tastes, "official")
    cold = hold_out_items(whole, 0.2)
    assert cold.is_cold.sum() == 6
    assert not {item for part in (cold.split.train, cold.split.validation) for _, item in cells(part)} & set(
        np.flatnonzero(cold.is_cold).tolist()
    )
    everything = cells(whole.train) | cells(whole.validation) | cells(whole.test)
    with_history = {user for user, _ in cells(cold.split.train)}
    assert cells(cold.split.test) == {
        (user, item) for user, item in everything if cold.is_cold[item] and user in with_history
    }
    assert (hold_out_items(whole, 0.2).is_cold == cold.is_cold).all()
