"""Figures from workers' metrics, by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.console.metric_figures import (
    WorkerWindow,
    arm_figures,
    percentile,
    read_snapshot,
    role_figures,
    stream_figures,
)

FIRST = """\
process_start_time_seconds 100
freshet_ready{role="recommend"} 1
freshet_records_in_total{role="recommend",topic="profiles"} 10
freshet_batch_records_count{role="recommend"} 5
freshet_batch_records_sum{role="recommend"} 10
freshet_lag_records{role="recommend",topic="profiles",partition="0"} 3
freshet_lag_records{role="recommend",topic="profiles",partition="1"} 4
freshet_index_items 240
freshet_cause_to_list_seconds_bucket{cause="event",le="0.01"} 1
freshet_cause_to_list_seconds_bucket{cause="event",le="0.02"} 1
freshet_cause_to_list_seconds_bucket{cause="event",le="+Inf"} 1
"""
SECOND = """\
process_start_time_seconds 100
freshet_ready{role="recommend"} 1
freshet_records_in_total{role="recommend",topic="profiles"} 30
freshet_batch_records_count{role="recommend"} 10
freshet_batch_records_sum{role="recommend"} 30
freshet_lag_records{role="recommend",topic="profiles",partition="0"} 1
freshet_lag_records{role="recommend",topic="profiles",partition="1"} 0
freshet_index_items 241
freshet_cause_to_list_seconds_bucket{cause="event",le="0.01"} 6
freshet_cause_to_list_seconds_bucket{cause="event",le="0.02"} 11
freshet_cause_to_list_seconds_bucket{cause="event",le="+Inf"} 11
"""


def window(*texts: str, every_s: float = 4.0) -> WorkerWindow:
    made = WorkerWindow()
    for number, text in enumerate(texts):
        made.add(read_snapshot(text, every_s * number))
    return made


def test_rates_batches_lag_and_partitions_of_a_role() -> None:
    figures = role_figures([window(FIRST, SECOND)])["recommend"]
    assert figures["in_per_s"] == 5.0
    assert figures["batch_records"] == 4.0
    assert figures["lag"] == 1
    assert (figures["partitions"], figures["workers"], figures["ready"]) == (2, 1, 1)


def test_percentiles_are_of_the_window_alone() -> None:
    figures = stream_figures([window(FIRST, SECOND), window("freshet_index_items 0\n")])
    assert figures["causes"]["event"]["count"] == 10
    assert figures["causes"]["event"]["p50_ms"] == pytest.approx(10.0)
    assert figures["causes"]["event"]["p99_ms"] == pytest.approx(19.8)
    assert figures["index_items"] == 241


def test_a_worker_that_was_started_again_counts_from_its_start() -> None:
    again = SECOND.replace("process_start_time_seconds 100", "process_start_time_seconds 200")
    figures = role_figures([window(FIRST, again)])["recommend"]
    assert figures["in_per_s"] is None
    assert figures["lag"] == 1


def test_arms_are_added_up_over_workers_and_coverage_is_not() -> None:
    labels = '{model="m",experiment="e",arm="b"}'
    text = f"freshet_join_lists_total{labels} 10\nfreshet_join_covered_items{labels} 7\n"
    (figures,) = arm_figures([window(text), window(text)])
    assert (figures["lists"], figures["covered_items"], figures["arm"]) == (20, 7, "b")


@given(st.lists(st.floats(0.0011, 9.9), min_size=1, max_size=60), st.floats(0.01, 1.0))
def test_a_percentile_lies_in_the_bucket_of_the_value(values: list[float], share: float) -> None:
    bounds = (0.001, 0.01, 0.1, 1.0, 10.0, math.inf)
    buckets = {bound: float(sum(value <= bound for value in values)) for bound in bounds}
    exact = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    upper = next(bound for bound in bounds if exact <= bound)
    found = percentile(buckets, share)
    assert found is not None
    assert bounds[bounds.index(upper) - 1] <= found <= upper


def test_nothing_counted_is_no_percentile() -> None:
    assert percentile({0.1: 0.0, math.inf: 0.0}, 0.5) is None
    assert percentile({}, 0.5) is None
    assert percentile({0.1: 0.0, math.inf: 3.0}, 0.5) == 0.1
