"""Percentiles by nearest rank."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.bench.percentiles import label, median, percentile


def test_known_ranks() -> None:
    values = [float(number) for number in range(1_000, 0, -1)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 0.999, 1.0)] == [
        500,
        950,
        990,
        999,
        1_000,
    ]
    # In binary 0.07 · 100 is a little more than 7.
    assert percentile([float(number) for number in range(1, 101)], 0.07) == 7


def test_what_never_came_is_the_slowest() -> None:
    assert percentile([1.0, math.inf], 0.5) == 1.0
    assert percentile([1.0, math.inf], 0.99) == math.inf


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=50), st.floats(0.001, 1.0))
def test_it_is_the_least_value_that_enough_do_not_exceed(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    enough = share * len(values) - 1e-6
    assert sum(value <= found for value in values) >= enough
    assert sum(value < found for value in values) < enough + 1e-5 or values.count(found) == len(values)


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.1)])
def test_nonsense_is_refused(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, share)


def test_labels_and_medians() -> None:
    assert [label(share) for share in (0.5, 0.99, 0.999)] == ["p50", "p99", "p99.9"]
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([4.0, 1.0, 2.0, 3.0]) == 2.5
