"""A memory built of whole histories at once knows what one knows that saw their events come one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.cascade import Interaction, Person
from models.interactions import HISTORY_ENTRIES, InteractionMemory, InteractionSettings
from models.interactions.pair_channels import CHANNELS, EVER

SETTINGS = InteractionSettings(max_items=40, memory_bytes=8 << 20, log_events=3_000, item_events=10)
START_MS = 1_700_000_000_000


def histories(
    seed: int, people: int, items: int, longest: int, span_s: float = 40 * 86_400.0
) -> list[Person]:
    """People whose events are some seconds to weeks apart, some at one moment, some on one item again."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(people):
        size = int(random.integers(0, longest + 1))
        times_ms = START_MS + np.sort(random.choice([1.0, 60.0, span_s], size) * random.random(size) * 1_000)
        times_ms = times_ms.astype(np.int64) // 500 * 500
        weights = random.choice([-0.5, 0.0, 1.0, 2.0], size).astype(np.float32)
        item_ids = tuple(f"item-{item}" for item in random.integers(0, items, size))
        earlier = int(random.integers(0, 5))
        made.append(
            Person(f"user-{number}", item_ids, weights, times_ms, earlier + size, int((weights > 0).sum()), 0)
        )
    return made


def one_by_one(memory: InteractionMemory, people: list[Person]) -> None:
    entries = [
        (int(time_ms), person.user_id, at, person)
        for person in people
        for at, time_ms in enumerate(person.times_ms)
    ]
    for time_ms, user_id, at, person in sorted(entries, key=lambda entry: entry[:3]):
        before = replace(
            person,
            item_ids=person.item_ids[:at],
            weights=person.weights[:at],
            times_ms=person.times_ms[:at],
            events=person.events - len(person.item_ids) + at,
            now_ms=time_ms,
        )
        interaction = Interaction(user_id, person.item_ids[at], "", float(person.weights[at]), time_ms)
        memory.observe(before, interaction)


def pairs_of(memory: InteractionMemory) -> np.ndarray:
    """Every channel's pairs, [channels, items, items]."""
    count = len(memory.items)
    every = np.arange(count)
    ones = np.ones(count, np.float32)
    return np.array([memory.pairs.each(channel, every, ones, count) for channel in range(len(CHANNELS))])


def both(
    people: list[Person], settings: InteractionSettings = SETTINGS
) -> tuple[InteractionMemory, InteractionMemory]:
    seen, built = InteractionMemory(settings), InteractionMemory(settings)
    one_by_one(seen, people)
    built.observe_histories(people)
    return seen, built


def assert_the_same_counts(seen: InteractionMemory, built: InteractionMemory, now_s: float) -> None:
    rows = np.arange(len(seen.items))
    assert [built.items.item_id(row) for row in rows] == [seen.items.item_id(row) for row in rows]
    assert built.popularity.total == seen.popularity.total
    for name in ("count", "positives", "weight_sum", "first_s", "last_s"):
        found, expected = getattr(built.popularity, name), getattr(seen.popularity, name)
        np.testing.assert_allclose(found[rows], expected[rows], rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(
        built.popularity.recent(rows, now_s), seen.popularity.recent(rows, now_s), rtol=1e-6, atol=1e-15
    )
    for events in range(0, 40, 5):
        np.testing.assert_allclose(
            built.popularity.at_stage(rows, now_s, events), seen.popularity.at_stage(rows, now_s, events)
        )
    np.testing.assert_allclose(
        built.popularity.at_return(rows, now_s), seen.popularity.at_return(rows, now_s)
    )
    for part in range(8):
        found, total = built.contexts.counts(part, rows, now_s)
        expected, expected_total = seen.contexts.counts(part, rows, now_s)
        np.testing.assert_allclose(found, expected, rtol=1e-4)
        assert total == pytest.approx(expected_total, rel=1e-6)
    for found, expected in zip(built.log.sequences(), seen.log.sequences(), strict=True):
        np.testing.assert_array_equal(found, expected)


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 40), st.integers(0, 60))
def test_built_at_once_it_is_as_one_by_one(seed: int, people: int, items: int, longest: int) -> None:
    made = histories(seed, people, items, longest)
    seen, built = both(made)
    now_s = START_MS / 1_000.0 + 41 * 86_400.0
    assert_the_same_counts(seen, built, now_s)
    np.testing.assert_allclose(pairs_of(built), pairs_of(seen), rtol=1e-3, atol=1e-6)
    every = np.arange(len(seen.items))
    smoothing = np.full(len(CHANNELS), 1e-3)
    np.testing.assert_allclose(
        built.pairs.scales(every, smoothing, now_s), seen.pairs.scales(every, smoothing, now_s), rtol=1e-3
    )


def test_only_the_newest_entries_of_a_history_pair() -> None:
    item_ids = tuple(f"item-{number}" for number in range(HISTORY_ENTRIES + 40))
    count = len(item_ids)
    person = Person(
        "ann", item_ids, np.ones(count, np.float32), START_MS + 1_000 * np.arange(count), count, 0, 0
    )
    settings = replace(SETTINGS, max_items=count)
    seen, built = both([person], settings)
    np.testing.assert_allclose(pairs_of(built), pairs_of(seen), rtol=1e-3)
    assert pairs_of(built)[EVER, 0].sum() == HISTORY_ENTRIES


def test_pairs_come_in_parts_of_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    made = histories(3, 20, 30, 60)
    whole = InteractionMemory(SETTINGS)
    whole.observe_histories(made)
    monkeypatch.setattr("models.interactions.memory.PAIRS_AT_ONCE", 50)
    parts = InteractionMemory(SETTINGS)
    parts.observe_histories(made)
    np.testing.assert_allclose(pairs_of(parts), pairs_of(whole), rtol=1e-4)


def test_a_table_holds_the_strongest_of_all_pairs() -> None:
    made = histories(7, 30, 40, 60)
    dense = InteractionMemory(SETTINGS)
    dense.observe_histories(made)
    table = InteractionMemory(replace(SETTINGS, memory_bytes=41 * 4 * (len(CHANNELS) + 1) * 8, neighbours=8))
    table.observe_histories(made)
    assert not table.pairs.dense
    exact, kept = pairs_of(dense), pairs_of(table)
    strength = exact[1:5].sum(axis=0) + 0.01 * exact[EVER]
    for row, held in enumerate(kept[EVER] > 0):
        assert held.sum() == min(8, np.count_nonzero(exact[EVER, row]))
        assert strength[row, held].min() >= strength[row, ~held].max() - 1e-5
    some = kept > 0
    np.testing.assert_allclose(kept[some], exact[some], rtol=1e-3)


def test_more_histories_are_added_to_what_is_known() -> None:
    made = histories(11, 20, 40, 60)
    for settings in (
        SETTINGS,
        replace(SETTINGS, memory_bytes=41 * 4 * (len(CHANNELS) + 1) * 40, neighbours=40),
    ):
        whole, parts = InteractionMemory(settings), InteractionMemory(settings)
        whole.observe_histories(made)
        for person in made:
            parts.observe_histories([person])
        order = [parts.items.get(whole.items.item_id(row)) for row in range(len(whole.items))]
        found = pairs_of(parts)[:, order][:, :, order]
        # Each memory counts growth from an origin of its own, so shares are what they have in common.
        for channel in range(len(CHANNELS)):
            expected = pairs_of(whole)[channel]
            if expected.sum():
                np.testing.assert_allclose(
                    found[channel] / found[channel].sum(), expected / expected.sum(), rtol=1e-3, atol=1e-9
                )


def test_of_items_without_room_nothing_stays() -> None:
    made = histories(13, 20, 60, 60)
    settings = replace(SETTINGS, max_items=25)
    seen, built = both(made, settings)
    rows = np.arange(25)
    assert [built.items.item_id(row) for row in rows] == [seen.items.item_id(row) for row in rows]
    np.testing.assert_array_equal(built.popularity.count[rows], seen.popularity.count[rows])
    # One by one, an item that comes back pairs again with those of before.
    assert 0 < pairs_of(built)[EVER].sum() < pairs_of(seen)[EVER].sum()
    assert (pairs_of(built)[EVER] <= pairs_of(seen)[EVER]).all()
    for found, expected in zip(built.log.sequences(), seen.log.sequences(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_person_can_be_forgotten_after() -> None:
    made = histories(17, 6, 30, 40)
    _, built = both(made)
    gone = made[0]
    assert built.forget(gone.user_id) == len(gone.item_ids) > 0
    without = InteractionMemory(SETTINGS)
    without.observe_histories(made[1:])
    for row in range(len(built.items)):
        other = without.items.get(built.items.item_id(row))
        assert built.popularity.count[row] == (0 if other is None else without.popularity.count[other])
