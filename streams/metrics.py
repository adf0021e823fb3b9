"""Metrics as data: what each one counts, in which unit, under which labels. One registry a process.

What is defined here and in the workers' modules is what Prometheus is served and `docs/guide/metrics.md`
shows. Names follow Prometheus: base units, and the unit at the end (``_seconds``, ``_bytes``, ``_total``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

MetricKind = Literal["counter", "gauge", "histogram"]

# From a millisecond to a minute: an event's way to its list takes milliseconds, a stalled one a minute.
SECONDS_BUCKETS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0,
)  # fmt: skip
# A list takes milliseconds: finer where targets lie.
LIST_SECONDS_BUCKETS = (
    0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.02, 0.025, 0.03, 0.04,
    0.05, 0.1, 0.2, 0.5, 1.0,
)  # fmt: skip
RECORDS_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)

REGISTRY = CollectorRegistry()
"""What a worker's `/metrics` serves."""

# The time of each series' creation would triple what a scrape carries, and nobody asks for it.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
ProcessCollector(registry=REGISTRY)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric's definition, for people and for the generated table."""

    name: str
    kind: MetricKind
    unit: str
    meaning: str
    labels: tuple[str, ...]


_DEFINED: dict[str, Metric] = {}


def defined_metrics() -> list[Metric]:
    """Every metric of the modules imported so far, by name."""
    return [_DEFINED[name] for name in sorted(_DEFINED)]


def define(metric: Metric) -> Metric:
    """Take note of a metric that a collector of its own serves.

    Raises:
        ValueError: The name is taken.
    """
    if metric.name in _DEFINED:
        raise ValueError(f"the metric `{metric.name}` is defined twice")
    _DEFINED[metric.name] = metric
    return metric


def counter(name: str, unit: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
    """Something that only grows. ``name`` ends with ``_total``."""
    define(Metric(name, "counter", unit, meaning, tuple(labels)))
    return Counter(name.removesuffix("_total"), meaning, labels, registry=REGISTRY)


def gauge(name: str, unit: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
    """Something that is now."""
    define(Metric(name, "gauge", unit, meaning, tuple(labels)))
    return Gauge(name, meaning, labels, registry=REGISTRY)


def histogram(
    name: str, unit: str, meaning: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS_BUCKETS
) -> Histogram:
    """How something is distributed; ``buckets`` are upper bounds in ``unit``."""
    define(Metric(name, "histogram", unit, meaning, tuple(labels)))
    return Histogram(name, meaning, labels, registry=REGISTRY, buckets=tuple(buckets))


RECORDS_IN = counter(
    "freshet_records_in_total",
    "records",
    "Records handed to the role; one that is handed in again after a pause counts again.",
    ("role", "topic"),
)
RECORDS_OUT = counter(
    "freshet_records_out_total",
    "records",
    "Records that the role published and Kafka acknowledged.",
    ("role", "topic"),
)
BATCH_RECORDS = histogram(
    "freshet_batch_records",
    "records",
    "Records in each batch that the role was handed.",
    ("role",),
    RECORDS_BUCKETS,
)
PROCESS_SECONDS = histogram(
    "freshet_process_seconds",
    "seconds",
    "Time of the role's call for each batch. Encode roles return before their items are done.",
    ("role",),
)
DEAD_LETTERS = counter(
    "freshet_dead_letters_total",
    "records",
    "Dead letters that were published, by stage and reason.",
    ("stage", "reason"),
)
LETTERS_WITHOUT_PAYLOAD = counter(
    "freshet_dead_letters_without_payload_total",
    "records",
    "Dead letters whose payload was left out: too many (`topics.dead_letter_bytes_per_minute`).",
)
