"""Ranks by segment of events: people and items that little is known of, events that stand alone in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.evaluation.ranking_metrics import CUTOFFS, RankMetrics

COLD_POSITIVES = 5
"""A person or an item with fewer positive events so far counts as cold."""


@dataclass(frozen=True, slots=True)
class HeldOutEvent:
    """What says to which segments an event belongs, as it was just before it.

    Attributes:
        user_positives: Positive events of the person so far.
        item_positives: Positive events on the item so far, by anybody.
        is_distinct_second: The person's previous event, of whatever weight, was in another second. Where a
            page of items is rated at once, events share their second, and the first gives the page away.
        objectives: Those that its action is of.
    """

    user_positives: int
    item_positives: int
    is_distinct_second: bool
    objectives: tuple[str, ...] = ()

    @property
    def segments(self) -> tuple[str, ...]:
        """The names of the segments that it belongs to, besides all events."""
        found = []
        if self.user_positives < COLD_POSITIVES:
            found.append("cold_users")
        if self.item_positives < COLD_POSITIVES:
            found.append("cold_items")
        if self.is_distinct_second:
            found.append("distinct_seconds")
        return tuple(found)


SEGMENTS = ("cold_users", "cold_items", "distinct_seconds")


class SegmentedRanks:
    """`RankMetrics` of all events and of each segment."""

    def __init__(self, cutoffs: Sequence[int] = CUTOFFS) -> None:
        self.overall = RankMetrics(cutoffs)
        self._segments = {name: RankMetrics(cutoffs) for name in SEGMENTS}

    def add(self, rank: int, event: HeldOutEvent) -> None:
        """Count one event; ``rank`` as `RankMetrics.add`."""
        self.overall.add(rank)
        for name in event.segments:
            self._segments[name].add(rank)

    def values(self) -> dict[str, Any]:
        """The metrics of all events, and under each segment's name those of its own."""
        return {
            **self.overall.values(),
            **{name: metrics.values() for name, metrics in self._segments.items()},
        }


class RanksOverTime:
    """`RankMetrics` of one window of events after another.

    Args:
        window_events: Test events in each window, ≥ 1; the last may have fewer.
    """

    def __init__(self, window_events: int, cutoffs: Sequence[int] = CUTOFFS) -> None:
        self._window_events = window_events
        self._cutoffs = cutoffs
        self._windows: list[tuple[RankMetrics, int, int]] = []

    def add(self, rank: int, occurred_at_ms: int) -> None:
        """Count one event, in the order of the stream."""
        if not self._windows or self._windows[-1][0].n >= self._window_events:
            self._windows.append((RankMetrics(self._cutoffs), occurred_at_ms, occurred_at_ms))
        metrics, first_ms, last_ms = self._windows[-1]
        metrics.add(rank)
        self._windows[-1] = (metrics, min(first_ms, occurred_at_ms), max(last_ms, occurred_at_ms))

    def values(self) -> list[dict[str, Any]]:
        """Each window's metrics, with ``from_ms`` and ``to_ms``, in order."""
        return [
            {"from_ms": first_ms, "to_ms": last_ms, **metrics.values()}
            for metrics, first_ms, last_ms in self._windows
        ]
