from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.acks import AckTracker
from streams.errors import DefectError


@st.composite
def ranges(draw: st.DrawFn) -> tuple[int, list[tuple[int, int, list[int]]]]:
    """A start position and consecutive ranges, each with some of its offsets present."""
    start = position = draw(st.integers(0, 1_000))
    found = []
    for length in draw(st.lists(st.integers(0, 12), max_size=6)):
        present = draw(st.lists(st.booleans(), min_size=length, max_size=length))
        offsets = [position + index for index, there in enumerate(present) if there]
        found.append((position, position + length, offsets))
        position += length
    return start, found


@given(ranges(), st.data())
def test_committable_is_the_first_record_not_done_whatever_the_order(
    case: tuple[int, list[tuple[int, int, list[int]]]], data: st.DataObject
) -> None:
    start, batches = case
    tracker = AckTracker(start)
    delivered: list[int] = []
    done: set[int] = set()
    end = start

    def check() -> None:
        open_offsets = [offset for offset in delivered if offset not in done]
        assert tracker.committable == (min(open_offsets) if open_offsets else end)
        assert tracker.in_flight == len(open_offsets)
        assert tracker.next_position == end

    check()
    for first, last, offsets in batches:
        tracker.deliver(first, last, offsets)
        delivered += offsets
        end = last
        check()
        for offset in data.draw(st.lists(st.sampled_from(delivered), max_size=8)) if delivered else []:
            tracker.done(offset)
            done.add(offset)
            check()
    for offset in data.draw(st.permutations(delivered)):
        tracker.done(offset)
        done.add(offset)
        check()
    assert tracker.committable == end


@given(ranges(), st.lists(st.integers(-5, 1_100), max_size=20))
def test_offsets_never_delivered_change_nothing(
    case: tuple[int, list[tuple[int, int, list[int]]]], strangers: list[int]
) -> None:
    start, batches = case
    tracker = AckTracker(start)
    for first, last, offsets in batches:
        tracker.deliver(first, last, offsets)
    known = {offset for _, _, offsets in batches for offset in offsets}
    before = tracker.committable, tracker.in_flight
    for offset in strangers:
        if offset not in known:
            tracker.done(offset)
    assert (tracker.committable, tracker.in_flight) == before


def test_a_range_without_records_moves_what_is_committable() -> None:
    tracker = AckTracker(5)
    tracker.deliver(5, 9, [])
    assert tracker.committable == 9


@pytest.mark.parametrize(
    ("start", "end", "offsets"),
    [(11, 12, [11]), (9, 12, [10]), (10, 9, []), (10, 12, [12]), (10, 13, [11, 11]), (10, 13, [12, 11])],
)
def test_ranges_with_a_hole_or_disorder_are_defects(start: int, end: int, offsets: list[int]) -> None:
    tracker = AckTracker(10)
    with pytest.raises(DefectError):
        tracker.deliver(start, end, offsets)
