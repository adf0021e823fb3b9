"""What trends in a segment of people: counted apart, fading, bounded; a source and a signal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.cascade.cascade import Cascade
from models.cascade.settings import SOURCES, CascadeSettings
from models.errors import SettingError
from models.interactions import InteractionSettings
from models.interactions.segments import FADE_S, SegmentPopularity
from models.signals import catalogue
from models.sources.trending_segment import propose
from tests.unit.cascade.people import event, index_of, person

ITEMS = 30
HERE, THERE = {"country": "pt"}, {"country": "is"}


def counted(counts: SegmentPopularity, context: Mapping[str, Any], now_s: float) -> list[float]:
    found = counts.counts(context, now_s)
    assert found is not None
    return found[:3].tolist()


def test_events_count_in_their_segment_alone_and_fade() -> None:
    counts = SegmentPopularity("country", 4)
    counts.add(0, 0.0, HERE)
    counts.add(0, FADE_S, HERE)
    counts.add(1, FADE_S, THERE)
    assert counted(counts, HERE, FADE_S) == pytest.approx([1.0 + math.exp(-1), 0.0, 0.0])
    assert counted(counts, THERE, 2 * FADE_S) == pytest.approx([0.0, math.exp(-1), 0.0])
    counts.clear(0)
    assert counted(counts, HERE, FADE_S) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("context", [{}, {"device": "phone"}, {"country": ["pt"]}, {"country": "x" * 65}])
def test_what_names_no_segment_changes_nothing(context: Mapping[str, Any]) -> None:
    counts = SegmentPopularity("country", 4)
    counts.add(0, 0.0, context)
    assert len(counts) == 0
    assert counts.counts(context, 0.0) is None


def test_without_a_setting_there_are_no_segments() -> None:
    counts = SegmentPopularity("", 4)
    counts.add(0, 0.0, {"": "pt", "country": "pt"})
    assert len(counts) == 0


def test_the_segment_used_longest_ago_makes_room_and_leaves_nothing_behind() -> None:
    counts = SegmentPopularity("country", 2)
    for at, name in enumerate(["a", "b", "a", "c"]):
        counts.add(at % 3, float(at), {"country": name})
    assert len(counts) == 2
    assert counts.counts({"country": "b"}, 4.0) is None
    assert counted(counts, {"country": "c"}, 3.0) == pytest.approx([1.0, 0.0, 0.0])


def test_years_do_not_overflow() -> None:
    counts = SegmentPopularity("country", 2)
    for year in range(0, 30, 3):
        counts.add(0, year * 365 * 86_400.0, HERE)
    assert counted(counts, HERE, 27 * 365 * 86_400.0) == pytest.approx([1.0, 0.0, 0.0])


def test_a_segment_must_have_room() -> None:
    with pytest.raises(SettingError):
        InteractionSettings(segments=0)


def cascade(segment_by: str) -> Cascade:
    """In one country people use i0 to i9, in the other i10 to i19; the other has more people."""
    settings = CascadeSettings(interactions=InteractionSettings(segment_by=segment_by), candidates=20)
    made = Cascade(index_of(ITEMS), settings)
    for number in range(60):
        context, first = (HERE, 0) if number % 3 == 0 else (THERE, 10)
        happened = event(f"u{number}", f"i{first + number % 10}", float(number))
        made.observe(person(f"u{number}", now_s=float(number)), replace(happened, context=context))
    return made


def proposed(made: Cascade, context: Mapping[str, Any], seen: int = 0) -> set[str]:
    eligible = np.ones(made.index.rows, np.bool_)
    eligible[:seen] = False
    moment = made._signals(replace(person("me", now_s=100.0), context=context))
    return {made.index.item_id(row) for row in propose(moment, eligible, 6).tolist()}


def test_the_source_proposes_what_the_segment_uses() -> None:
    made = cascade("country")
    assert len(proposed(made, HERE)) == 6
    assert proposed(made, HERE) <= {f"i{number}" for number in range(10)}
    assert proposed(made, THERE) <= {f"i{number}" for number in range(10, 20)}
    assert proposed(made, HERE, seen=8) == {"i8", "i9"}, "no item that nobody there has used"
    assert proposed(made, {"country": "nowhere"}) == set()
    assert proposed(cascade(""), HERE) == set()


def test_the_signal_tells_the_segments_apart() -> None:
    made = cascade("country")
    column = catalogue.POSITION["segment_trend"]
    rows = np.arange(ITEMS)
    here = made._signals(replace(person("me", now_s=100.0), context=HERE)).of_rows(rows)[:, column]
    there = made._signals(replace(person("you", now_s=100.0), context=THERE)).of_rows(rows)[:, column]
    assert here[:10].min() > 0.0 > here[10:20].max()
    assert there[10:20].min() > 0.0 > there[:10].max()
    assert not here[20:].any(), "nobody has used these"
    assert catalogue.family("segment_trend") == "trend"


def test_a_list_says_that_an_item_came_from_its_segment() -> None:
    made = cascade("country")
    who = replace(person("me", now_s=100.0), context=HERE)
    ranking = made.rank(who, np.ones(made.index.rows, np.bool_))
    bit = np.uint32(1 << SOURCES.index("trending_segment"))
    marked = {made.index.item_id(row) for row in ranking.rows[(ranking.sources & bit) > 0].tolist()}
    assert marked == {f"i{number}" for number in range(10)}
