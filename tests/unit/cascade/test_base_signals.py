"""The base scorer's parts, a person's own items and the situation, against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.cascade import Interaction, Person
from models.interactions import InteractionMemory
from models.interactions.contexts import MAX_ENTRIES, ContextCounts, day_part, named_situations
from models.interactions.memory import InteractionSettings
from models.retrieval import ItemIndex
from models.signals import base, catalogue, context, gates
from models.signals.situation import Situation
from models.signals.start import start_weights

HOUR_MS = 3_600_000
NOW_MS = 100 * 24 * HOUR_MS


def person(*item_ids: str, now_ms: int = NOW_MS, **named: object) -> Person:
    times = np.array([now_ms - HOUR_MS * age for age in range(len(item_ids), 0, -1)], np.int64)
    weights = np.ones(len(item_ids), np.float32)
    return Person("anna", item_ids, weights, times, len(item_ids), len(item_ids), now_ms, named)


def memory(*events: tuple[str, int, dict[str, object]]) -> InteractionMemory:
    made = InteractionMemory(InteractionSettings(max_items=100))
    for number, (item_id, at_ms, named) in enumerate(events):
        who = Person("x", (), np.zeros(0, np.float32), np.zeros(0, np.int64), 0, 0, at_ms)
        made.observe(who, Interaction(f"user-{number}", item_id, "click", 1.0, at_ms, named))
    return made


def index() -> ItemIndex:
    made = ItemIndex(2)
    for item_id, vector in (("a", (1.0, 0.0)), ("b", (0.0, 1.0)), ("c", (0.6, 0.8))):
        made.upsert(item_id, np.array(vector), created_at_ms=NOW_MS - 7 * 24 * HOUR_MS)
    return made


def test_the_base_scorer_s_parts() -> None:
    known = memory(("a", NOW_MS, {}), ("a", NOW_MS, {}), ("b", NOW_MS, {}))
    items, who = index(), person("a")
    situation = Situation.of(known, who)
    rows = items.rows_of(["a", "b", "c"])
    signals = base.base(
        situation,
        items,
        base.taste_of(who, items),
        rows,
        items.vectors[rows],
        known.items.rows_of(["a", "b", "c"]),
    )
    taste, popular, fresh, own_times, own_age = signals
    np.testing.assert_allclose(taste, [1.0, 0.0, 0.6], atol=1e-6)
    np.testing.assert_allclose(popular, [1.0, math.log(2) / math.log(3), 0.0], rtol=1e-5)
    np.testing.assert_allclose(fresh, 0.5, rtol=1e-6)
    np.testing.assert_allclose(own_times, [math.log(2), 0.0, 0.0], rtol=1e-6)
    np.testing.assert_allclose(own_age, [-math.log(2), 0.0, 0.0], rtol=1e-6)


def test_a_stranger_has_no_taste_and_unknown_items_no_popularity() -> None:
    known, items, who = memory(), index(), person()
    rows = items.rows_of(["a", "b"])
    unknown, vectors = np.array([-1, -1]), items.vectors[rows]
    signals = base.base(Situation.of(known, who), items, base.taste_of(who, items), rows, vectors, unknown)
    assert not signals[[0, 1, 3, 4]].any()


def test_what_is_used_in_a_context_is_lifted_in_it_and_there_alone() -> None:
    phone, desk = {"device": "phone"}, {"device": "desk"}
    events = [("a", NOW_MS, phone)] * 30 + [("b", NOW_MS, desk)] * 30
    known = memory(*events)
    rows = known.items.rows_of(["a", "b", "z"])
    on_phone = context.context(Situation.of(known, person("a", device="phone")), rows)[1]
    assert on_phone[0] == pytest.approx(math.log((30 + 10) / (50 * 0.5)), rel=1e-4)
    assert on_phone[1] == pytest.approx(math.log(10 / (50 * 0.5)), rel=1e-4)
    assert on_phone[2] == 0.0
    assert not context.context(Situation.of(known, person("a")), rows)[1].any()
    # At another time of day nothing is known: no lift.
    elsewhere = Situation.of(known, person("a", now_ms=NOW_MS + 12 * HOUR_MS))
    np.testing.assert_allclose(context.context(elsewhere, rows)[0], 0.0, atol=1e-5)


def test_a_context_costs_no_more_than_its_bound() -> None:
    huge = {f"name-{number:04}": number for number in range(5_000)}
    assert len(named_situations(huge)) <= MAX_ENTRIES
    assert named_situations({"table": {"x": 1}, "long": "x" * 100}) == []
    assert named_situations({"b": 1, "a": 2}) == named_situations({"a": 2, "b": 1})
    assert [day_part(hour * 3_600.0) for hour in (0, 2.9, 3, 23.9)] == [0, 0, 1, 7]


def test_counts_fade_and_survive_years() -> None:
    counts = ContextCounts()
    counts.add(3, 0.0, {})
    (fresh,), _ = counts.counts(0, np.array([3]), 0.0)
    (later,), _ = counts.counts(0, np.array([3]), 30 * 86_400.0)
    assert later / fresh == pytest.approx(math.exp(-1), rel=1e-4)
    counts.add(4, 20 * 365 * 86_400.0, {})
    found, total = counts.counts(day_part(20 * 365 * 86_400.0), np.array([3, 4]), 20 * 365 * 86_400.0)
    assert np.isfinite(found).all()
    assert total == pytest.approx(1.0, abs=1e-3)
    counts.clear(4)
    assert counts.counts(0, np.array([4]), 20 * 365 * 86_400.0)[0][0] == 0.0


def test_without_experience_the_cascade_weighs_as_the_base_scorer_does() -> None:
    effective = start_weights()[gates.NAMES.index("always")] / catalogue.SPREADS
    named = dict(zip(catalogue.NAMES, effective.tolist(), strict=True))
    assert named["popular_share"] / named["taste"] == pytest.approx(0.15, rel=1e-4)
    assert named["fresh"] / named["taste"] == pytest.approx(0.05, rel=1e-4)
    assert all(not value for name, value in named.items() if name not in base.NAMES)
    assert gates.gates(Situation.of(memory(), person()))[gates.NAMES.index("experience")] == 0.0
