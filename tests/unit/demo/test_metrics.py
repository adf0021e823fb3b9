"""Figures from journals whose answers are known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.demo.tastes import Taste
from tests.unit.demo.journals import event, item, received
from workers.demo.journal import Journal
from workers.demo.metrics import (
    WARM_UP_EVENTS,
    Account,
    account,
    arrivals,
    event_latencies,
    percentile,
    taste_precision,
    unanswered,
)

CATS = Taste("cats", ("cat", "kitten"))


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_percentile_is_numpys_nearest_rank(values: list[float], share: float) -> None:
    assert percentile(values, share) == np.quantile(values, share, method="inverted_cdf")


def test_percentile_of_nothing_is_not_a_number() -> None:
    assert math.isnan(percentile([], 0.5))


def _warm_journal() -> Journal:
    journal = Journal()
    cats = [item(f"cat-{n}", "cat") for n in range(10)]
    stones = [item(f"stone-{n}", "stone") for n in range(90)]
    journal.items_published([*cats, *stones], 0.0)
    for number in range(1, WARM_UP_EVENTS + 1):
        journal.event_published(event("ana", number, f"cat-{number}"), 1.0)
    return journal


def test_precision_and_its_chance_leave_out_what_was_seen() -> None:
    journal = _warm_journal()
    received(journal, "ana", WARM_UP_EVENTS, 2.0, *[f"cat-{n}" for n in (6, 7, 8)], *["stone-1"] * 17)
    found = taste_precision(CATS, {"ana"}, journal, {"click"})
    assert found.lists == 1
    assert found.precision == pytest.approx(0.3)
    # Five of ten cats are seen: five liked among the 95 that are left.
    assert found.random == pytest.approx(5 / 95)
    assert found.ratio == pytest.approx(0.3 * 95 / 5)


def test_an_action_that_does_not_mark_as_seen_leaves_the_item_in() -> None:
    journal = _warm_journal()
    received(journal, "ana", WARM_UP_EVENTS, 2.0, "cat-6")
    assert taste_precision(CATS, {"ana"}, journal, {"skip"}).random == pytest.approx(0.1)


def test_a_short_list_counts_as_ten() -> None:
    journal = _warm_journal()
    received(journal, "ana", WARM_UP_EVENTS, 2.0, "cat-6")
    assert taste_precision(CATS, {"ana"}, journal, {"click"}).precision == pytest.approx(0.1)


def test_only_warm_lists_of_the_tastes_people_are_judged() -> None:
    journal = _warm_journal()
    received(journal, "ana", WARM_UP_EVENTS - 1, 2.0, "cat-6")
    received(journal, "ben", WARM_UP_EVENTS, 2.0, "cat-6")
    found = taste_precision(CATS, {"ana"}, journal, {"click"})
    assert found.lists == 0
    assert math.isnan(found.ratio)


def test_items_published_after_a_list_do_not_count_for_it() -> None:
    journal = _warm_journal()
    received(journal, "ana", WARM_UP_EVENTS, 2.0, "cat-6")
    journal.items_published([item(f"late-{n}", "stone") for n in range(900)], 3.0)
    assert taste_precision(CATS, {"ana"}, journal, {"click"}).random == pytest.approx(5 / 95)


def test_arrival_is_the_first_list_of_a_person_of_the_taste() -> None:
    journal = Journal()
    new = item("kitten-1", "kitten", title="", kinds=("image",))
    journal.items_published([new], 10.0)
    received(journal, "ben", 1, 10.5, "kitten-1")
    received(journal, "ana", 1, 11.0, "stone-1")
    received(journal, "ana", 2, 12.5, "stone-1", "kitten-1")
    received(journal, "ana", 3, 11.75, "kitten-1")
    found = arrivals(journal.items, journal, {"ana": CATS, "ben": Taste("stones", ("stone", "rock"))})
    assert [(one.item_id, one.modality, one.after_s) for one in found] == [("kitten-1", "image", 1.75)]


def test_a_new_item_in_no_matching_list_never_arrived() -> None:
    journal = Journal()
    journal.items_published([item("kitten-1", "kitten")], 10.0)
    received(journal, "ben", 1, 10.5, "kitten-1")
    (found,) = arrivals(journal.items, journal, {"ana": CATS, "ben": Taste("stones", ("stone", "rock"))})
    assert found.after_s is None
    assert found.modality == "text"


def test_latency_is_until_the_first_list_that_knows_the_event() -> None:
    journal = Journal()
    for number, at_s in ((1, 1.0), (2, 2.0), (3, 2.5), (4, 9.0)):
        journal.event_published(event("ana", number), at_s)
    received(journal, "ana", 1, 1.1)
    received(journal, "ana", 3, 3.0)
    received(journal, "ana", 2, 3.5)
    assert event_latencies(journal) == pytest.approx([0.1, 1.0, 0.5])
    assert unanswered(journal) == 1


def test_latency_without_the_outage() -> None:
    journal = Journal()
    journal.event_published(event("ana", 1), 1.0)
    journal.event_published(event("ana", 2), 1.4)
    journal.event_published(event("ana", 3), 2.0)
    journal.event_published(event("ana", 4), 6.5)
    received(journal, "ana", 1, 1.2)
    received(journal, "ana", 3, 6.0)
    received(journal, "ana", 4, 6.6)
    assert event_latencies(journal, outage=(1.5, 6.0)) == pytest.approx([0.2, 0.1])


def test_every_event_is_accounted_for_once() -> None:
    journal = Journal()
    for number in (1, 2, 2, 3):
        journal.event_published(event("ana", number), float(number))
    journal.event_published(event("ben", 1), 1.0)
    assert account(journal, {"ana": 3, "ben": 1}) == Account(4, 4, 1, ())


@pytest.mark.parametrize("versions", [{"ana": 2, "ben": 1}, {"ana": 4, "ben": 1}, {"ben": 1}])
def test_an_event_lost_or_counted_twice_is_found(versions: dict[str, int]) -> None:
    journal = Journal()
    for number in (1, 2, 3):
        journal.event_published(event("ana", number), 1.0)
    journal.event_published(event("ben", 1), 1.0)
    assert account(journal, versions).wrong == ("ana",)


def test_errors_that_cancel_out_are_found() -> None:
    journal = Journal()
    journal.event_published(event("ana", 1), 1.0)
    journal.event_published(event("ben", 1), 1.0)
    found = account(journal, {"ana": 2, "ben": 0})
    assert found.applied == found.published
    assert found.wrong == ("ana", "ben")


def test_the_journal_keeps_lists_of_events_and_the_newest_of_each_person() -> None:
    journal = Journal()
    assert journal.newest_list("ana") is None
    received(journal, "ana", 2, 1.0, "a")
    received(journal, "ana", 1, 2.0, "b")
    received(journal, "ana", 9, 3.0, "c", kind="request")
    assert [one.profile_version for one in journal.lists] == [2, 1]
    assert journal.newest_list("ana").item_ids == ("a",)
