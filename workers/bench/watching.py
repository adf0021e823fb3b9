"""What a worker says of itself, and what the kernel says of it."""

from __future__ import annotations

import os
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from streams.errors import DependencyDownError
from workers.local_deployment import LocalDeployment

_POLL_S = 0.05
_TIMEOUT_S = 10.0


def totals(deployment: LocalDeployment, role: str) -> dict[str, float]:
    """Sample name → its sum over all labels, of a role's workers."""
    found: dict[str, float] = {}
    for worker in deployment.supervisor.workers():
        if worker.role != role or worker.port is None:
            continue
        url = f"http://{deployment.health_host}:{worker.port}/metrics"
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if "le" not in sample.labels:
                    found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def wait_until(
    deployment: LocalDeployment,
    what: str,
    holds: Callable[[], bool],
    timeout_s: float,
    poll_s: float = _POLL_S,
) -> None:
    """Wait until something holds.

    Raises:
        DependencyDownError: It does not in time.
    """
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline_s:
            raise DependencyDownError(f"{what}: not within {timeout_s:g} s; logs in {deployment.log_folder}")
        deployment.poll()
        time.sleep(poll_s)


def processor_s(pid: int) -> float:
    """Seconds of processor time that a process has taken, its threads included."""
    # The name in brackets may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
