"""What people did with which items: rows, pairs, the log and popularity."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import SettingError
from models.interactions import InteractionMemory, InteractionSettings
from models.interactions.log import EventLog
from models.interactions.pair_channels import (
    CHANNELS,
    EVER,
    FIRST_DELAY,
    NEAR_AFTER,
    NEAR_BEFORE,
    PAGE,
    delay_channels,
    pair_weights,
)
from models.interactions.pairs import PairStatistics
from models.interactions.popularity import STAGES, Popularity, stage
from models.interactions.rows import ItemRows
from tests.unit.cascade.people import event, person, stream


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_the_item_used_longest_ago_gives_its_row() -> None:
    items = ItemRows(2)
    assert items.use("a") == (0, False)
    assert items.use("b") == (1, False)
    assert items.use("a") == (0, False)
    assert items.use("c") == (1, True)
    assert items.rows_of(["a", "b", "c"]).tolist() == [0, -1, 1]


def test_rows_need_room() -> None:
    with pytest.raises(SettingError):
        ItemRows(0)


def test_pairs_of_a_page_count_both_ways_and_half_in_each_order() -> None:
    forward, backward = pair_weights(np.array([0.0]))
    assert forward[PAGE, 0] == backward[PAGE, 0] == 1.0
    assert forward[NEAR_AFTER, 0] == backward[NEAR_AFTER, 0] == 0.5


def test_pairs_a_minute_apart_have_an_order() -> None:
    forward, backward = pair_weights(np.array([60.0]))
    assert forward[NEAR_AFTER, 0] == pytest.approx(math.exp(-1))
    assert backward[NEAR_AFTER, 0] == 0.0
    assert backward[NEAR_BEFORE, 0] == pytest.approx(math.exp(-1))
    assert forward[EVER, 0] == backward[EVER, 0] == 1.0


def test_delays_are_told_apart() -> None:
    assert delay_channels(np.array([0.5, 15.0, 60.0, 300.0, 2_000.0, 1e6])).tolist() == [
        PAGE,
        FIRST_DELAY,
        FIRST_DELAY + 1,
        FIRST_DELAY + 2,
        FIRST_DELAY + 3,
        FIRST_DELAY + 4,
    ]


def combined(
    pairs: PairStatistics, channel: int, partner: int, count: int, now_s: float = 0.0
) -> list[float]:
    scales = pairs.scales(rows(partner), np.full(len(CHANNELS), 1e-9), now_s)
    found = pairs.combine(channel, rows(partner), scales[channel][None], count)
    np.testing.assert_array_equal(pairs.each(channel, rows(partner), scales[channel], count), found)
    return found[0].tolist()


def test_company_is_a_share_of_the_pairs_of_an_item() -> None:
    pairs = PairStatistics(1 << 20, 8, 4)
    pairs.add(1, rows(0), np.array([0.0]), 0.0)
    pairs.add(2, rows(0), np.array([0.0]), 0.0)
    assert combined(pairs, PAGE, 0, 4) == pytest.approx([0.0, 0.5, 0.5, 0.0])


def test_age_does_not_change_shares_but_new_pairs_weigh_more() -> None:
    pairs = PairStatistics(1 << 20, 8, 4)
    pairs.add(1, rows(0), np.array([0.0]), 0.0)
    pairs.add(2, rows(0), np.array([0.0]), 86.0 * 86_400.0)
    old, new = combined(pairs, PAGE, 0, 3, 86.0 * 86_400.0)[1:]
    assert new / old == pytest.approx(math.e, rel=1e-4)


def test_time_without_end_does_not_overflow() -> None:
    pairs = PairStatistics(1 << 20, 8, 4)
    for year in range(0, 60, 5):
        pairs.add(1, rows(0), np.array([0.0]), year * 365.0 * 86_400.0)
    assert combined(pairs, PAGE, 0, 2, 55 * 365 * 86_400.0) == pytest.approx([0.0, 1.0])


@given(st.integers(0, 10_000))
def test_a_table_with_room_holds_what_the_matrices_hold(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = 6
    dense = PairStatistics(1 << 20, count, count)
    table = PairStatistics(1 << 20, count, count)
    table._to_table()
    assert dense.dense
    assert not table.dense
    for second in range(12):
        row = int(random.integers(count))
        partners = np.setdiff1d(random.permutation(count)[: int(random.integers(1, count))], [row])
        gaps_s = random.uniform(0, 500, len(partners))
        for pairs in (dense, table):
            pairs.add(row, partners, gaps_s, float(second))
    for channel in range(len(CHANNELS)):
        for partner in range(count):
            np.testing.assert_allclose(
                combined(table, channel, partner, count, 12.0),
                combined(dense, channel, partner, count, 12.0),
                rtol=1e-4,
                atol=1e-7,
            )


def test_a_table_keeps_the_nearest_neighbours() -> None:
    pairs = PairStatistics(1 << 20, 2, 5)
    pairs._to_table()
    for partner, gap_s in ((1, 5.0), (2, 500_000.0), (3, 5.0)):
        pairs.add(0, rows(partner), np.array([gap_s]), 0.0)
    company = combined(pairs, EVER, 0, 5)
    assert company[2] == 0.0
    assert company[1] > 0 < company[3]


def test_a_long_history_does_not_push_out_what_was_met_often() -> None:
    pairs = PairStatistics(1 << 20, 16, 100)
    pairs._to_table()
    for _ in range(10):
        pairs.add(0, rows(*range(1, 17)), np.zeros(16), 0.0)
    often = np.array(combined(pairs, PAGE, 0, 100))[1:17]
    # Three times as many partners as places, the newest first.
    pairs.add(0, rows(*range(20, 68)), np.arange(48.0), 0.0)
    after = np.array(combined(pairs, PAGE, 0, 100))
    assert (after[1:17] > 0).sum() == 14
    assert after[20] > 0 < after[21]
    assert not after[22:].any()
    assert often.all()


def test_a_table_with_more_rows_holds_what_it_held() -> None:
    pairs = PairStatistics(1 << 20, 4, 2_000)
    pairs._to_table()
    pairs.add(1, rows(0, 2), np.array([0.0, 400.0]), 0.0)
    before = [combined(pairs, channel, 0, 4) for channel in range(len(CHANNELS))]
    pairs.grow(1_500)
    for channel, expected in enumerate(before):
        np.testing.assert_array_equal(combined(pairs, channel, 0, 4), expected)
    pairs.add(1_400, rows(0), np.array([0.0]), 0.0)
    assert combined(pairs, PAGE, 0, 1_500)[1_400] > 0


def test_a_place_in_a_full_table_keeps_nothing_of_the_neighbour_before() -> None:
    pairs = PairStatistics(1 << 20, 1, 5)
    pairs._to_table()
    pairs.add(1, rows(0), np.array([0.0]), 0.0)
    # Now only long after: of the neighbour that was met at once nothing may remain.
    pairs.add(2, rows(0), np.array([500_000.0]), 0.0)
    assert combined(pairs, PAGE, 0, 5) == pytest.approx([0.0] * 5)
    assert combined(pairs, EVER, 0, 5)[2] > 0


def test_a_row_that_another_item_takes_over_is_empty() -> None:
    for dense in (True, False):
        pairs = PairStatistics(1 << 20, 4, 10)
        if not dense:
            pairs._to_table()
        pairs.add(1, rows(0), np.array([0.0]), 0.0)
        pairs.clear(1)
        assert combined(pairs, PAGE, 0, 4) == pytest.approx([0.0] * 4)


def test_matrices_become_a_table_where_memory_is_short() -> None:
    pairs = PairStatistics(4 * len(CHANNELS) * 10**2, 3, 40)
    pairs.add(1, rows(0), np.array([0.0]), 0.0)
    pairs.grow(10)
    assert pairs.dense
    pairs.grow(40)
    assert not pairs.dense
    assert combined(pairs, PAGE, 0, 40)[1] == pytest.approx(1.0)
    pairs.add(39, rows(0, 1), np.array([0.0, 0.0]), 0.0)
    assert combined(pairs, PAGE, 0, 40)[39] == pytest.approx(0.5)


def test_pairs_of_all_items_that_are_remembered_fit_where_memory_does() -> None:
    memory = InteractionMemory(InteractionSettings(max_items=4, memory_bytes=1 << 20))
    for number in range(6):
        before = person("u", [(f"i{number - 1}", 1.0, number - 1.0)] if number else [], float(number))
        memory.observe(before, event("u", f"i{number}", float(number)))
    assert len(memory) == 4
    assert memory.pairs.dense


def test_the_log_follows_people() -> None:
    log = EventLog(4, 2)
    for number, (user_id, row) in enumerate([("u", 0), ("v", 0), ("u", 1), ("u", 2)]):
        log.append(user_id, row, 1.0, float(number))
    none = log.capacity
    around = log.around(rows(0, 3), 2)
    # After each of the two, then before each.
    assert around.tolist() == [[2, none, none, 2], [3, none, none, 0]]
    assert log.items(around).tolist() == [[1, -1, -1, 1], [2, -1, -1, 0]]
    log.append("v", 3, 1.0, 9.0)
    # The first event was overwritten: u's second has none before it any more, and v's first one after it.
    assert log.around(rows(2, 1), 1).tolist() == [[3, 0, none, none]]
    slots, at = log.occurrences(rows(0, 3))
    assert slots.tolist() == [1, 0]
    assert at.tolist() == [0, 1]
    items, people, _, times_s = log.sequences()
    assert items.tolist() == [1, 2, 0, 3]
    assert people.tolist() == [0, 0, 1, 1]
    assert times_s.tolist() == [2.0, 3.0, 1.0, 9.0]


def test_an_item_knows_its_newest_events_however_many_there_ever_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("models.interactions.log._LARGEST_HELD", 10)
    log = EventLog(6, 3)
    log.grow(4)
    for number in range(100):
        log.append(f"person-{number % 3}", number % 4, 1.0, float(number))
        assert log._recent.max() <= 10
        held = range(max(0, number - 5), number + 1)
        for row in range(4):
            slots, _ = log.occurrences(rows(row))
            assert sorted(log.times_s(slots)) == [float(one) for one in held if one % 4 == row]


def test_popularity_fades_and_knows_stages() -> None:
    counts = Popularity()
    counts.add(0, 1.0, 0.0, 0, None)
    counts.add(1, -1.0, 0.0, 30, 4_000.0)
    assert counts.recent(slice(0, 2), 2.0 * 86_400.0)[1].tolist() == pytest.approx([math.exp(-1)] * 2)
    assert counts.at_stage(slice(0, 2), 0.0, 0).tolist() == [1.0, 0.0]
    assert counts.at_return(slice(0, 2), 0.0).tolist() == [0.0, 1.0]
    assert counts.positives[:2].tolist() == [1.0, 0.0]


@given(st.integers(0, 10**7))
def test_stages_rise_with_events(events: int) -> None:
    assert 0 <= stage(events) <= stage(events + 1) < STAGES


def test_memory_pairs_an_item_that_repeats_as_of_its_newest_event() -> None:
    memory = InteractionMemory(InteractionSettings(max_items=10))
    memory.observe(person("u"), event("u", "a", 0.0))
    history = [("a", 1.0, 0.0), ("a", 1.0, 100.0)]
    memory.observe(person("u", history, 100.0), event("u", "b", 100.0))
    a, b = memory.items.rows_of(["a", "b"]).tolist()
    assert memory.pairs._dense is not None
    assert memory.pairs._dense[EVER, a, b] == 1.0
    assert memory.pairs._dense[PAGE, a, b] == 1.0


def test_memory_stays_within_its_items() -> None:
    memory = InteractionMemory(InteractionSettings(max_items=7, log_events=50, item_events=3))
    for before, happened in stream(3, people=5, items=30, events=200):
        memory.observe(before, happened)
    assert len(memory) == 7
    assert memory.log.count == 200
    assert np.isfinite(memory.popularity.count).all()


def _pairs(memory: InteractionMemory, channel: int, item_id: str, now_s: float) -> dict[str, float]:
    """What the events on an item say of every other, by item."""
    row = memory.items.rows_of([item_id])
    if row[0] < 0:
        return {}
    weights = memory.pairs.scales(row, np.ones(len(CHANNELS)), now_s)[channel][None]
    values = memory.pairs.combine(channel, row, weights, len(memory))[0]
    return {memory.items.item_id(at): float(value) for at, value in enumerate(values) if value > 1e-5}


@pytest.mark.parametrize("memory_bytes", [256 << 20, 4_000])
def test_what_a_person_did_is_taken_back(memory_bytes: int) -> None:
    settings = InteractionSettings(max_items=40, memory_bytes=memory_bytes)
    forgotten, never = InteractionMemory(settings), InteractionMemory(settings)
    told = [
        (
            replace(before, weights=np.where(before.weights == 0, np.float32(1), before.weights)),
            replace(interaction, weight=interaction.weight or 1.0),
        )
        for before, interaction in stream(seed=3, people=6, items=12, events=300)
    ]
    for before, interaction in told:
        forgotten.observe(before, interaction)
        if interaction.user_id != "u1":
            never.observe(before, interaction)
    own = sum(interaction.user_id == "u1" for _, interaction in told)
    assert own > 3
    assert forgotten.forget("u1") == own
    assert forgotten.forget("u1") == 0
    now_s = told[-1][1].occurred_at_ms / 1_000.0
    items = [never.items.item_id(row) for row in range(len(never))]
    ours, theirs = forgotten.items.rows_of(items), never.items.rows_of(items)
    for counts in ("recent", "at_return"):
        mine = getattr(forgotten.popularity, counts)(ours, now_s)
        assert np.allclose(mine, getattr(never.popularity, counts)(theirs, now_s), atol=1e-6), counts
    assert np.allclose(forgotten.popularity.count[ours], never.popularity.count[theirs])
    assert np.allclose(forgotten.popularity.positives[ours], never.popularity.positives[theirs])
    assert np.allclose(forgotten.popularity.weight_sum[ours], never.popularity.weight_sum[theirs])
    assert forgotten.popularity.total == never.popularity.total
    if forgotten.pairs.dense:
        for channel in range(len(CHANNELS)):
            for item_id in items:
                mine = _pairs(forgotten, channel, item_id, now_s)
                assert mine == pytest.approx(_pairs(never, channel, item_id, now_s), abs=1e-4)
    rows_held, people, weights, _ = forgotten.log.sequences()
    assert len(rows_held) == len(told) - own
    assert forgotten.log.person("u1") == -1
    assert forgotten.log.person("u1") not in people
    assert weights.all()
    occurrences, _ = forgotten.log.occurrences(ours)
    assert len(occurrences) == len(told) - own


def test_a_person_whom_nobody_knows_is_forgotten_without_effect() -> None:
    memory = InteractionMemory(InteractionSettings())
    assert memory.forget("nobody") == 0


def test_a_forgotten_person_begins_anew_in_the_log() -> None:
    log = EventLog(capacity=4, per_item=4)
    for number in range(6):
        log.append("anna" if number % 2 else "ben", 0, 1.0, float(number))
    assert log.slots_of("anna").tolist() == [3, 1]
    log.forget("anna")
    assert log.slots_of("anna").tolist() == []
    log.append("anna", 0, 1.0, 9.0)
    assert log.slots_of("anna").tolist() == [2]
    assert log.around(log.slots_of("anna"), 1).tolist() == [[4, 4]]
    assert log.slots_of("ben").tolist() == [0]
