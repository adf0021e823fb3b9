"""The dashboard and the alert rules name metrics and labels that exist, and the files are current."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from deploy.monitoring import dashboard
from deploy.monitoring.query_rules import expressions
from streams.metrics import Metric, defined_metrics
from workers import metrics_document

FOLDER = Path(dashboard.__file__).parent
# Of the Prometheus client, not of Freshet.
PROCESS_METRICS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}
SERIES = re.compile(r"\b((?:freshet|process)_[a-z0-9_]+)(?:\{([^}]*)\})?")
GROUPING = re.compile(r"\bby \(([^)]*)\)")


def alert_expressions() -> list[str]:
    # One rule's expression ends where its next key begins.
    text = (FOLDER / "alerts.yml").read_text(encoding="utf-8")
    return re.findall(r"expr: (.*?)\n        (?:for|labels):", text, flags=re.DOTALL)


def known() -> dict[str, Metric]:
    assert metrics_document.document()
    return {metric.name: metric for metric in defined_metrics()}


def base_name(series: str, metrics: dict[str, Metric]) -> str:
    for suffix in ("_bucket", "_sum", "_count"):
        name = series.removesuffix(suffix)
        if name != series and name in metrics and metrics[name].kind == "histogram":
            return name
    return series


def test_there_are_queries_and_rules() -> None:
    assert len(expressions()) > 40
    assert len(alert_expressions()) == 12


@pytest.mark.parametrize("expression", [*expressions(), *alert_expressions()])
def test_an_expression_names_metrics_and_labels_that_exist(expression: str) -> None:
    metrics = known()
    labels: set[str] = {"le", "instance", "job"}
    for series, selector in SERIES.findall(expression):
        name = base_name(series, metrics)
        assert name in metrics or name in PROCESS_METRICS, f"{name} does not exist"
        if name in metrics:
            labels |= set(metrics[name].labels)
            selected = set(re.findall(r"(\w+)=", selector))
            assert selected <= set(metrics[name].labels), f"{name} has no label among {selected}"
    for grouping in GROUPING.findall(expression):
        assert {label.strip() for label in grouping.split(",")} <= labels


def test_a_histogram_is_read_by_its_parts_and_nothing_else_is() -> None:
    metrics = known()
    for expression in [*expressions(), *alert_expressions()]:
        for series, _ in SERIES.findall(expression):
            metric = metrics.get(series)
            assert metric is None or metric.kind != "histogram", f"{series} has no series of its own"


def test_the_dashboards_file_is_current() -> None:
    stored = (FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8")
    assert stored == dashboard.document(), "run: python -m deploy.monitoring.dashboard FILE"


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    panels = json.loads(dashboard.document())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))


def test_every_metric_of_lists_outcomes_and_learning_is_shown() -> None:
    shown = {base_name(series, known()) for one in expressions() for series, _ in SERIES.findall(one)}
    missing = {
        name
        for name in known()
        if name.startswith(("freshet_lists_", "freshet_learn_", "freshet_cause_to_list"))
    } - shown
    assert not missing
