"""Labels of outcomes are bounded, and coverage is of today's lists."""

from __future__ import annotations

from datetime import date

from streams.metrics import REGISTRY
from workers.join_metrics import MAX_GROUPS, JoinMetrics
from workers.outcome_counts import LISTS_SHOWN, OUTCOMES, Group

DAY = date(2026, 3, 1)


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def group(model: str) -> Group:
    return Group(model, "layout", "bold")


def test_sums_go_to_their_counters() -> None:
    metrics = JoinMetrics()
    labels = {"model": "metrics-a", "experiment": "layout", "arm": "bold"}
    sums = {(DAY, group("metrics-a"), LISTS_SHOWN): 3.0, (DAY, group("metrics-a"), f"{OUTCOMES}click"): 2.0}
    late = value("freshet_join_unmatched_total", reason="late")
    metrics.counted(sums, {"late": 4}, 0)
    assert value("freshet_join_lists_total", **labels) == 3.0
    assert value("freshet_join_outcomes_total", action="click", **labels) == 2.0
    assert value("freshet_join_unmatched_total", reason="late") - late == 4.0


def test_models_beyond_the_bound_count_together() -> None:
    metrics = JoinMetrics()
    before = value("freshet_join_lists_total", model="other", experiment="", arm="")
    metrics.counted(
        {(DAY, group(f"bound-{number}"), LISTS_SHOWN): 1.0 for number in range(MAX_GROUPS + 7)}, {}, 0
    )
    assert value("freshet_join_lists_total", model="other", experiment="", arm="") - before == 7.0


def test_coverage_is_of_the_groups_of_a_day() -> None:
    metrics = JoinMetrics()
    metrics.groups_seen([(DAY, group("cover-a")), (date(2026, 3, 2), group("cover-b"))])
    assert metrics.groups_of(DAY) == [group("cover-a")]
    labels = {"experiment": "layout", "arm": "bold"}
    metrics.covered({group("cover-a"): 12})
    assert value("freshet_join_covered_items", model="cover-a", **labels) == 12.0
    metrics.covered({group("cover-b"): 5})
    assert REGISTRY.get_sample_value("freshet_join_covered_items", {"model": "cover-a", **labels}) is None
    metrics.groups_seen([(date(2026, 3, 3), group("cover-b"))])
    assert metrics.groups_of(DAY) == []
