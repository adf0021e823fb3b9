"""What the metrics of all workers say, role by role, over the last seconds. No I/O."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

WINDOW_SNAPSHOTS = 6
Labels = tuple[tuple[str, str], ...]
_WANTED = ("freshet_", "process_start_time_seconds")
_START = "process_start_time_seconds"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A worker's metrics at one moment: name and labels to value."""

    at_s: float
    samples: Mapping[tuple[str, Labels], float]

    @property
    def started(self) -> float:
        """When the process began: another one counts from 0."""
        return self.samples.get((_START, ()), 0.0)


def read_snapshot(text: str, at_s: float) -> Snapshot:
    """Read what `/metrics` serves.

    Raises:
        ValueError: It is no Prometheus text.
    """
    lines = (line for line in text.splitlines() if line.startswith(_WANTED))
    samples: dict[tuple[str, Labels], float] = {}
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            samples[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return Snapshot(at_s, samples)


class WorkerWindow:
    """The last snapshots of one worker."""

    def __init__(self) -> None:
        self._snapshots: deque[Snapshot] = deque(maxlen=WINDOW_SNAPSHOTS)

    def add(self, snapshot: Snapshot) -> None:
        """The newest. Those of an earlier process go."""
        if self._snapshots and self._snapshots[-1].started != snapshot.started:
            self._snapshots.clear()
        self._snapshots.append(snapshot)

    @property
    def seconds(self) -> float:
        """How long it covers."""
        return self._snapshots[-1].at_s - self._snapshots[0].at_s if self._snapshots else 0.0

    def now(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """The newest values of a metric, by labels."""
        if self._snapshots:
            for (found, labels), value in self._snapshots[-1].samples.items():
                if found == name:
                    yield dict(labels), value

    def grown(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """By how much each series of a counter has grown."""
        if self._snapshots:
            first = self._snapshots[0].samples
            for (found, labels), value in self._snapshots[-1].samples.items():
                if found == name:
                    yield dict(labels), value - first.get((found, labels), 0.0)


def percentile(buckets: Mapping[float, float], share: float) -> float | None:
    """A percentile of a histogram, linear within its bucket as Prometheus' `histogram_quantile`.

    Args:
        buckets: Upper bound to how many lie at or below it.
        share: 0 to 1.

    Returns:
        None where nothing was counted; the largest finite bound where it lies beyond.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if total <= 0:
        return None
    below_bound, below = 0.0, 0.0
    for bound in bounds:
        count = buckets[bound]
        if count >= share * total:
            if math.isinf(bound):
                return below_bound
            within = count - below
            return (
                bound
                if within <= 0
                else below_bound + (bound - below_bound) * (share * total - below) / within
            )
        below_bound, below = bound, count
    return below_bound


@dataclass(slots=True)
class _Sums:
    """Sums over the workers of a role."""

    seconds: float = 0.0
    records_in: float = 0.0
    records_out: float = 0.0
    batches: float = 0.0
    batch_records: float = 0.0
    lag: float = 0.0
    in_flight: float = 0.0
    paused_s: float = 0.0
    restarts: float = 0.0
    workers: int = 0
    ready: int = 0
    partitions: set[tuple[str, str]] = field(default_factory=set)
    process: dict[float, float] = field(default_factory=lambda: defaultdict(float))


def role_figures(windows: Iterable[WorkerWindow]) -> dict[str, dict[str, Any]]:
    """Of each role: rates, lag, percentiles, batch sizes, workers and partitions."""
    roles: dict[str, _Sums] = defaultdict(_Sums)
    for window in windows:
        for labels, value in window.now("freshet_ready"):
            one = roles[labels["role"]]
            one.workers += 1
            one.ready += value > 0
            one.seconds = max(one.seconds, window.seconds)
        for name, attribute in (
            ("freshet_in_flight_records", "in_flight"),
            ("freshet_paused_seconds", "paused_s"),
            ("freshet_consumer_restarts", "restarts"),
            ("freshet_lag_records", "lag"),
        ):
            for labels, value in window.now(name):
                one = roles[labels["role"]]
                setattr(one, attribute, getattr(one, attribute) + value)
                if name == "freshet_lag_records":
                    one.partitions.add((labels["topic"], labels["partition"]))
        for name, attribute in (
            ("freshet_records_in_total", "records_in"),
            ("freshet_records_out_total", "records_out"),
            ("freshet_batch_records_count", "batches"),
            ("freshet_batch_records_sum", "batch_records"),
        ):
            for labels, value in window.grown(name):
                one = roles[labels["role"]]
                setattr(one, attribute, getattr(one, attribute) + value)
        for labels, value in window.grown("freshet_process_seconds_bucket"):
            roles[labels["role"]].process[float(labels["le"])] += value
    return {role: _shown(sums) for role, sums in roles.items()}


def _shown(sums: _Sums) -> dict[str, Any]:
    seconds = sums.seconds
    return {
        "workers": sums.workers,
        "ready": sums.ready,
        "partitions": len(sums.partitions),
        "in_per_s": _rate(sums.records_in, seconds),
        "out_per_s": _rate(sums.records_out, seconds),
        "batch_records": round(sums.batch_records / sums.batches, 1) if sums.batches else None,
        "process_p50_ms": _milliseconds(percentile(sums.process, 0.5)),
        "process_p99_ms": _milliseconds(percentile(sums.process, 0.99)),
        "lag": int(sums.lag),
        "in_flight": int(sums.in_flight),
        "paused_s": round(sums.paused_s, 1),
        "restarts": int(sums.restarts),
    }


def stream_figures(windows: Iterable[WorkerWindow]) -> dict[str, Any]:
    """Of the whole stream: how long lists take, how many there are, what is known and learned."""
    windows = list(windows)
    causes: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    list_seconds: dict[float, float] = defaultdict(float)
    lists, seconds = 0.0, max((window.seconds for window in windows), default=0.0)
    dead: dict[str, float] = defaultdict(float)
    index_items: list[float] = []
    learned: dict[str, float] = {}
    for window in windows:
        for labels, value in window.grown("freshet_cause_to_list_seconds_bucket"):
            causes[labels["cause"]][float(labels["le"])] += value
        for labels, value in window.grown("freshet_list_seconds_bucket"):
            list_seconds[float(labels["le"])] += value
        lists += sum(value for _, value in window.grown("freshet_lists_total"))
        for labels, value in window.now("freshet_dead_letters_total"):
            dead[labels["reason"]] += value
        # Every worker has the gauge; those that hold no index leave it at 0.
        index_items += [value for _, value in window.now("freshet_index_items") if value]
        for labels, value in window.now("freshet_learned_step"):
            learned[labels["model"]] = max(value, learned.get(labels["model"], 0.0))
    return {
        "window_s": round(seconds, 1),
        "lists_per_s": _rate(lists, seconds),
        "causes": {
            cause: {
                "count": int(buckets.get(math.inf, 0)),
                **{
                    name: _milliseconds(percentile(buckets, share))
                    for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99))
                },
            }
            for cause, buckets in causes.items()
        },
        "list_p50_ms": _milliseconds(percentile(list_seconds, 0.5)),
        "list_p99_ms": _milliseconds(percentile(list_seconds, 0.99)),
        "dead_letters": {reason: int(count) for reason, count in dead.items() if count},
        "index_items": int(min(index_items)) if index_items else None,
        "learned_steps": {model: int(step) for model, step in sorted(learned.items())},
    }


def arm_figures(windows: Iterable[WorkerWindow]) -> list[dict[str, Any]]:
    """What was shown and clicked since the join workers started, by model and arm."""
    names = {
        "freshet_join_lists_total": "lists",
        "freshet_join_items_total": "items",
        "freshet_join_novelty_bits_total": "novelty_bits",
        "freshet_join_positive_outcomes_total": "positives",
        "freshet_join_lists_with_positive_total": "positive_lists",
        "freshet_join_lists_with_conversion_total": "converted_lists",
    }
    groups: dict[tuple[str, str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for window in windows:
        for metric, name in names.items():
            for labels, value in window.now(metric):
                groups[labels["model"], labels["experiment"], labels["arm"]][name] += value
        for labels, value in window.now("freshet_join_covered_items"):
            # Each worker has the count of all.
            group = groups[labels["model"], labels["experiment"], labels["arm"]]
            group["covered_items"] = max(group["covered_items"], value)
    return [
        {
            "model": model,
            "experiment": experiment,
            "arm": arm,
            **{name: figures[name] for name in names.values()},
            "covered_items": figures["covered_items"],
        }
        for (model, experiment, arm), figures in sorted(groups.items())
        if figures["lists"]
    ]


def _rate(amount: float, seconds: float) -> float | None:
    return round(amount / seconds, 1) if seconds > 0 else None


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1_000 * seconds, 2)
