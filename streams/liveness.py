"""Whether a worker is alive: not where records wait and none is committed for too long. No I/O, no clock.

A worker can look healthy and do nothing: a consumer that its group has forgotten, a deadlocked role. So what
counts is what Kafka was told, not that the process answers. Where Kafka or Redis is down a restart does not
help: then the worker waits, and is alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

LivenessState = Literal["starting", "idle", "progressing", "waiting", "stalled"]
Partition = tuple[str, str, int]
"""(topic, topic UUID, partition)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen of a worker at one moment.

    Attributes:
        at_s: When, by a monotonic clock.
        lag: Records of the worker's partitions that are not done.
        committed: The offset that Kafka was told, of each partition.
        waits_for: The dependency that is down, or what the worker waits for otherwise; None while it works.
    """

    at_s: float
    lag: int
    committed: Mapping[Partition, int] = field(default_factory=dict)
    waits_for: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to tell whoever asks. ``stalled_for_s`` is the time with lag and without a commit."""

    alive: bool
    state: LivenessState
    reason: str
    stalled_for_s: float = 0.0


class Liveness:
    """Judges one sample after the other.

    Args:
        stall_timeout_s: Lag without a commit for longer than this is not alive.
    """

    def __init__(self, stall_timeout_s: float) -> None:
        self._stall_timeout_s = stall_timeout_s
        self._fine_at_s: float | None = None
        self._committed: dict[Partition, int] = {}

    def observe(self, sample: Sample) -> Verdict:
        """Judge ``sample``; samples come in the order of their time.

        A partition that comes or goes is no progress, so that a group which rebalances for ever is noticed.
        """
        progressed = any(
            partition in self._committed and offset > self._committed[partition]
            for partition, offset in sample.committed.items()
        )
        self._committed = dict(sample.committed)
        if sample.waits_for is not None:
            # Afterwards it has the whole time again.
            self._fine_at_s = sample.at_s
            return Verdict(True, "waiting", f"waits for {sample.waits_for}")
        if sample.lag <= 0:
            self._fine_at_s = sample.at_s
            return Verdict(True, "idle", "nothing to do")
        if progressed or self._fine_at_s is None:
            self._fine_at_s = sample.at_s
        stalled_for_s = sample.at_s - self._fine_at_s
        if stalled_for_s > self._stall_timeout_s:
            reason = (
                f"{sample.lag} records wait and nothing was committed for {stalled_for_s:.0f} s "
                f"(worker.stall_timeout_s is {self._stall_timeout_s:g})"
            )
            return Verdict(False, "stalled", reason, stalled_for_s)
        return Verdict(True, "progressing", f"{sample.lag} records wait", stalled_for_s)
