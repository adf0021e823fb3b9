"""Signals, against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.interactions import InteractionMemory, InteractionSettings
from models.signals import catalogue, content, covisitation, gates, popularity, sessions
from models.signals.situation import Situation
from tests.unit.cascade.people import START_MS, event, index_of, person

Entries = list[tuple[str, float, float]]


def memory_of(*histories: Entries) -> InteractionMemory:
    """What is known of u0, u1 …, whose events are taken in one person after the other."""
    memory = InteractionMemory(InteractionSettings(max_items=50))
    for user, entries in enumerate(histories):
        for at, (item_id, weight, second) in enumerate(entries):
            memory.observe(
                person(f"u{user}", entries[:at], second), event(f"u{user}", item_id, second, weight)
            )
    return memory


def situation(memory: InteractionMemory, entries: Entries, now_s: float, user_id: str = "me") -> Situation:
    return Situation.of(memory, person(user_id, entries, now_s))


def column(memory: InteractionMemory, *item_ids: str) -> np.ndarray:
    return memory.items.rows_of(item_ids)


def test_company_of_the_last_page_is_a_smoothed_share() -> None:
    memory = memory_of([("a", 1.0, 0.0), ("b", 1.0, 0.0)], [("a", 1.0, 0.0), ("c", 1.0, 500.0)])
    now = situation(memory, [("a", 1.0, 600.0)], 610.0)
    found = covisitation.covisitation(now, covisitation.company(now), column(memory, "b", "c", "nothing"))
    page = found[covisitation.NAMES.index("page_page")]
    # One pair of a's page, two of smoothing; 610 s are nothing against 86 days.
    assert page[0] == pytest.approx(math.log(1 / 3 + 1e-5), abs=1e-3)
    assert page[1] == page[2] == pytest.approx(math.log(1e-5))
    ever = found[covisitation.NAMES.index("ever_ten")]
    assert ever[0] == ever[1] == pytest.approx(math.log(1 / 12 + 1e-5), abs=1e-3)


def test_what_follows_after_the_same_delay_stands_out() -> None:
    memory = memory_of([("a", 1.0, 0.0), ("soon", 1.0, 10.0), ("late", 1.0, 2_000.0)])
    delay = covisitation.NAMES.index("delay_ten")
    for age_s, expected in ((12.0, "soon"), (1_900.0, "late")):
        now = situation(memory, [("a", 1.0, 0.0)], age_s)
        columns = column(memory, "soon", "late")
        found = covisitation.covisitation(now, covisitation.company(now), columns)[delay]
        assert ("soon", "late")[int(found.argmax())] == expected


def test_an_item_near_all_of_a_page_beats_one_near_a_part_of_it() -> None:
    memory = memory_of(
        [("a", 1.0, 0.0), ("both", 1.0, 5.0)],
        [("b", 1.0, 0.0), ("both", 1.0, 5.0)],
        [("a", 1.0, 0.0), ("one", 1.0, 5.0)],
        [("a", 1.0, 0.0), ("one", 1.0, 5.0)],
        [("b", 1.0, 0.0), ("other", 1.0, 5.0)],
    )
    now = situation(memory, [("a", 1.0, 100.0), ("b", 1.0, 100.0)], 105.0)
    found = covisitation.covisitation(now, covisitation.company(now), column(memory, "both", "one"))
    agreement = found[covisitation.NAMES.index("agreement_page")]
    assert agreement[0] > agreement[1]


def test_sessions_vote_for_what_lies_around_shared_items() -> None:
    memory = memory_of([("x", 1.0, 0.0), ("a", 1.0, 10.0), ("y", 1.0, 20.0), ("z", 1.0, 9_000.0)])
    now = situation(memory, [("a", 1.0, 100.0)], 110.0)
    found = sessions.sessions(sessions.votes(now), column(memory, "x", "y", "z"))
    after, before = (sessions.NAMES.index(name) for name in ("sessions_after", "sessions_before"))
    nothing = math.log(1e-5)
    assert found[after].tolist() == pytest.approx([nothing, found[after][1], nothing])
    assert found[before].tolist() == pytest.approx([found[before][0], nothing, nothing])
    rarity = 6.0**-0.25
    expected = rarity * rarity * math.exp(-10 / 60) / 1.15
    assert found[after][1] == pytest.approx(math.log(expected + 1e-5), abs=1e-3)


def test_a_person_does_not_vote_for_themselves() -> None:
    memory = memory_of([("a", 1.0, 0.0), ("b", 1.0, 1.0)])
    now = situation(memory, [("a", 1.0, 0.0)], 5.0, user_id="u0")
    assert not sessions.votes(now).any()


def test_popularity_of_items_and_how_they_compare() -> None:
    memory = memory_of([("a", 2.0, 0.0), ("b", -1.0, 3_600.0)], [("a", 1.0, 0.0)])
    now = situation(memory, [("b", 1.0, 7_200.0)], 7_200.0)
    found = popularity.popularity(now, column(memory, "a", "b", "nothing"))
    by_name = dict(zip(popularity.NAMES, found.tolist(), strict=True))
    assert by_name["popular_ever"] == pytest.approx([math.log(2.5), math.log(1.5), math.log(0.5)])
    assert by_name["mean_weight"] == pytest.approx([5.5 / 7, 1.5 / 6, 0.5])
    assert by_name["liked_share"][0] == pytest.approx(math.log(4.2 / 1.8))
    assert by_name["rarity_step"] == pytest.approx([math.log(3 / 2), 0.0, math.log(1 / 2)])
    assert by_name["rarity_distance"] == pytest.approx([abs(x) for x in by_name["rarity_step"]])
    assert by_name["known_for"] == pytest.approx([math.log(3), math.log(2), 0.0])
    assert by_name["last_used"][2] == 12.0
    assert by_name["popular_at_return"] == pytest.approx(
        [math.log(0.05), math.log(1.05), math.log(0.05)], abs=1e-3
    )


def test_content_is_compared_block_by_block() -> None:
    index = index_of(4)
    vector = index.vectors[0].copy()
    vector[128:192] = 0.0
    index.upsert("like", vector, created_at_ms=START_MS - 93 * 86_400_000)
    memory = memory_of([("i0", 1.0, 0.0)])
    now = situation(memory, [("i0", 1.0, 0.0)], 0.0)
    rows = index.rows_of(["like"])
    found = content.content(now, index, rows, index.vectors[rows], index.rows_of(["i0"]))[:, 0]
    by_name = dict(zip(content.NAMES, found.tolist(), strict=True))
    assert by_name["text_page"] == pytest.approx(1.0, abs=1e-5)
    assert by_name["image_page"] == 0.0
    assert by_name["audio_recent"] == pytest.approx(1.0, abs=1e-5)
    assert by_name["created"] == pytest.approx(math.log(100.0), abs=1e-3)


@pytest.mark.parametrize(
    ("entries", "now_s", "expected"),
    [
        ([], 0.0, {"stranger", "newcomer", "away"}),
        ([("a", 1.0, 0.0)], 1.0, {"newcomer", "same_page"}),
        ([("a", 1.0, 0.0)], 60.0, {"newcomer", "same_minutes"}),
        ([("a", 1.0, 0.0)] * 6, 9_000.0, {"away"}),
    ],
)
def test_gates_tell_moments_apart(entries: Entries, now_s: float, expected: set[str]) -> None:
    memory = memory_of([("a", 1.0, 0.0)])
    found = dict(zip(gates.NAMES, gates.gates(situation(memory, entries, now_s)).tolist(), strict=True))
    switches = {"stranger", "newcomer", "away", "same_page", "same_minutes"}
    assert {name for name in switches if found[name]} == expected
    assert found["always"] == 1.0


def test_every_signal_has_a_family_and_a_spread() -> None:
    assert len(set(catalogue.NAMES)) == len(catalogue.NAMES)
    every = (*catalogue.NAMES, catalogue.USER_MODEL)
    assert {catalogue.family(name) for name in every} == set(catalogue.FAMILIES)
    assert (catalogue.SPREADS > 0).all()
