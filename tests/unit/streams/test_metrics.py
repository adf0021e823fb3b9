"""Definitions of metrics, and the page that is made from them."""

from __future__ import annotations

from pathlib import Path

import prometheus_client
import pytest

from streams.metrics import REGISTRY, Metric, define, defined_metrics
from workers.metrics_document import document

PAGE = Path(__file__).parents[3] / "docs" / "guide" / "metrics.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == document(), "run `python -m workers.metrics_document` on it"


@pytest.mark.parametrize("metric", defined_metrics(), ids=lambda metric: metric.name)
def test_names_say_their_unit_and_texts_say_something(metric: Metric) -> None:
    assert metric.name.startswith("freshet_")
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    if metric.unit in ("seconds", "bytes"):
        assert metric.name.endswith(f"_{metric.unit}")
    assert metric.meaning.endswith(".")
    assert "|" not in metric.meaning


def test_everything_defined_is_served() -> None:
    text = prometheus_client.generate_latest(REGISTRY).decode()
    missing = [
        metric.name for metric in defined_metrics() if f"# TYPE {metric.name} {metric.kind}" not in text
    ]
    assert missing == []


def test_a_name_is_defined_once() -> None:
    taken = defined_metrics()[0]
    with pytest.raises(ValueError, match=taken.name):
        define(taken)
