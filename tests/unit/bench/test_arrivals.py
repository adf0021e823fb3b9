"""When events are due, and when a list covers them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.bench.arrivals import Due, Listed, due_times, waits


def test_arrivals_are_evenly_spaced_from_the_start() -> None:
    assert due_times(4, 1) == [0.0, 0.25, 0.5, 0.75]
    # In binary 0.1 · 3 is a little more than 0.3.
    assert len(due_times(0.1, 30)) == 3


@given(st.floats(0.5, 1_000), st.floats(0.1, 20))
def test_as_many_as_fit_and_none_after_the_end(per_s: float, seconds: float) -> None:
    offsets_s = due_times(per_s, seconds)
    assert offsets_s[0] == 0.0
    assert len(offsets_s) == pytest.approx(per_s * seconds, abs=1)
    assert offsets_s[-1] < seconds + 1e-6


@pytest.mark.parametrize(("per_s", "seconds"), [(0, 1), (1, 0), (-1, 1)])
def test_nonsense_is_refused(per_s: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="arrivals"):
        due_times(per_s, seconds)


def test_the_wait_runs_from_when_the_event_was_due() -> None:
    due = [Due("anna", 1, at_s=10.0)]
    # It was sent late: no matter.
    assert waits(due, [Listed("anna", 1, at_s=10.5)]) == [0.5]


def test_a_coalesced_event_waits_for_the_list_that_covers_it() -> None:
    due = [Due("anna", 1, 0.0), Due("anna", 2, 1.0), Due("anna", 3, 2.0), Due("ben", 1, 0.0)]
    listed = [Listed("anna", 2, 3.0), Listed("ben", 1, 3.5), Listed("anna", 3, 4.0)]
    assert waits(due, listed) == [3.0, 2.0, 2.0, 3.5]


def test_a_list_for_an_older_version_covers_nothing_new() -> None:
    due = [Due("anna", 2, 0.0), Due("anna", 3, 0.0)]
    listed = [Listed("anna", 2, 1.0), Listed("anna", 1, 2.0), Listed("anna", 2, 3.0)]
    assert waits(due, listed) == [1.0, math.inf]


def test_an_event_without_a_list_never_came() -> None:
    assert waits([Due("anna", 1, 0.0)], [Listed("ben", 9, 1.0)]) == [math.inf]
