"""What the driver knows, as metrics: read when Prometheus asks, so that nothing is counted twice or late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as MetricFamily
from prometheus_client.registry import Collector

from streams.driver import RunnerStats
from streams.metrics import REGISTRY, Metric, define

_PARTITION = ("role", "topic", "partition")
_ROLE = ("role",)

LAG = define(
    Metric("freshet_lag_records", "gauge", "records", "Records in Kafka that are not done.", _PARTITION)
)
COMMITTED = define(
    Metric("freshet_committed_offset", "gauge", "offset", "The offset that Kafka was told.", _PARTITION)
)
IN_FLIGHT_RECORDS = define(
    Metric("freshet_in_flight_records", "gauge", "records", "Records read from Kafka and not done.", _ROLE)
)
IN_FLIGHT_BYTES = define(
    Metric("freshet_in_flight_bytes", "gauge", "bytes", "Bytes of the records that are in flight.", _ROLE)
)
PAUSED = define(
    Metric(
        "freshet_paused_seconds",
        "gauge",
        "seconds",
        "For how long the role has waited for a dependency that is down; 0 while it works.",
        _ROLE,
    )
)
READY = define(
    Metric("freshet_ready", "gauge", "0 or 1", "Whether the worker is in its group and works.", _ROLE)
)
RESTARTS = define(
    Metric(
        "freshet_consumer_restarts",
        "gauge",
        "restarts",
        "How often the driver has replaced a consumer that was of no more use.",
        _ROLE,
    )
)


class RunnersCollector(Collector):
    """The runners of this process."""

    def __init__(self) -> None:
        self._stats: dict[str, Callable[[], RunnerStats]] = {}

    def watch(self, role: str, stats: Callable[[], RunnerStats]) -> None:
        """Show this runner under ``role``."""
        self._stats[role] = stats

    def forget(self, role: str) -> None:
        """Show nothing more under ``role``."""
        self._stats.pop(role, None)

    def collect(self) -> Iterator[MetricFamily]:
        """See prometheus_client."""
        families = {
            metric.name: GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            for metric in (LAG, COMMITTED, IN_FLIGHT_RECORDS, IN_FLIGHT_BYTES, PAUSED, READY, RESTARTS)
        }
        for role, read in self._stats.items():
            stats = read()
            for one in stats.partitions:
                labels = [role, one.topic, str(one.partition)]
                families[LAG.name].add_metric(labels, one.lag)
                families[COMMITTED.name].add_metric(labels, one.committed)
            paused_s = 0.0 if stats.paused_since_s is None else monotonic() - stats.paused_since_s
            for metric, value in (
                (IN_FLIGHT_RECORDS, stats.in_flight_records),
                (IN_FLIGHT_BYTES, stats.in_flight_bytes),
                (PAUSED, paused_s),
                (READY, stats.state == "running"),
                (RESTARTS, stats.restarts),
            ):
                families[metric.name].add_metric([role], float(value))
        yield from families.values()


RUNNERS = RunnersCollector()
REGISTRY.register(RUNNERS)
