"""What the join role counts, for Prometheus: the same figures as it keeps in the state store by day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from streams.metrics import counter, gauge
from workers.outcome_counts import (
    CONVERSIONS,
    CONVERTED_LISTS,
    ITEMS_SHOWN,
    LISTS_SHOWN,
    NOVELTY_BITS,
    OUTCOMES,
    POSITIVE_LISTS,
    POSITIVES,
    Group,
)
from workers.role_metrics import CONFLICTS

_GROUP = ("model", "experiment", "arm")
JOIN_LISTS = counter("freshet_join_lists_total", "lists", "Lists shown.", _GROUP)
JOIN_ITEMS = counter("freshet_join_items_total", "items", "Items of lists shown.", _GROUP)
JOIN_NOVELTY = counter(
    "freshet_join_novelty_bits_total",
    "bits",
    "Self-information of the items shown, by their popularity; divided by the items it is their novelty.",
    _GROUP,
)
JOIN_OUTCOMES = counter(
    "freshet_join_outcomes_total",
    "events",
    "Events joined with their list, by action (`other`: one that the settings do not name).",
    (*_GROUP, "action"),
)
JOIN_POSITIVES = counter(
    "freshet_join_positive_outcomes_total", "events", "Joined events whose weight is above 0.", _GROUP
)
JOIN_POSITIVE_LISTS = counter(
    "freshet_join_lists_with_positive_total",
    "lists",
    "Lists with at least one positive outcome; divided by the lists it is the click-through.",
    _GROUP,
)
JOIN_CONVERSIONS = counter(
    "freshet_join_conversions_total", "events", "Joined events whose action is in `join.conversions`.", _GROUP
)
JOIN_CONVERTED_LISTS = counter(
    "freshet_join_lists_with_conversion_total", "lists", "Lists with at least one conversion.", _GROUP
)
JOIN_COVERED = gauge(
    "freshet_join_covered_items",
    "items",
    "Distinct items shown today (UTC), by all workers, within 1 %; divided by `freshet_index_items` it is "
    "the coverage of the catalogue.",
    _GROUP,
)
JOIN_UNMATCHED = counter(
    "freshet_join_unmatched_total",
    "events",
    "Events that were not joined: duplicate (event_id seen before), late (published longer than the window "
    "after it occurred), list_unknown (its recommendation_id is not that of a list held), not_on_list, "
    "after_window, no_list (no list held has the item).",
    ("reason",),
)
JOIN_REFUSED = counter("freshet_join_refused_total", "records", "Records that became dead letters.")
# Beyond, a new combination counts as `other`: models and arms come from settings, which may change for years.
MAX_GROUPS = 200

_JOIN_SUMS = {
    LISTS_SHOWN: JOIN_LISTS,
    ITEMS_SHOWN: JOIN_ITEMS,
    NOVELTY_BITS: JOIN_NOVELTY,
    POSITIVES: JOIN_POSITIVES,
    POSITIVE_LISTS: JOIN_POSITIVE_LISTS,
    CONVERSIONS: JOIN_CONVERSIONS,
    CONVERTED_LISTS: JOIN_CONVERTED_LISTS,
}


class JoinMetrics:
    """Of the join role: what this process has counted since it started."""

    def __init__(self) -> None:
        self._known: set[Group] = set()
        self._seen_on: dict[date, set[Group]] = {}
        self._covered: set[Group] = set()

    def counted(
        self, sums: Mapping[tuple[date, Group, str], float], unmatched: Mapping[str, int], refused: int
    ) -> None:
        """A batch took effect."""
        for (_, group, measure), amount in sums.items():
            labels = self._labels(group)
            if measure.startswith(OUTCOMES):
                JOIN_OUTCOMES.labels(*labels, measure.removeprefix(OUTCOMES)).inc(amount)
            else:
                _JOIN_SUMS[measure].labels(*labels).inc(amount)
        for reason, events in unmatched.items():
            JOIN_UNMATCHED.labels(reason).inc(events)
        if refused:
            JOIN_REFUSED.inc(refused)

    def groups_seen(self, groups: Iterable[tuple[date, Group]]) -> None:
        """Lists of these were shown on these days."""
        for day, group in groups:
            self._seen_on.setdefault(day, set()).add(group)
            if len(self._seen_on) > 2:
                del self._seen_on[min(self._seen_on)]

    def groups_of(self, day: date) -> list[Group]:
        """Those of a day, as many as have labels of their own."""
        return sorted(group for group in self._seen_on.get(day, ()) if self._labels(group) == group)

    def covered(self, items: Mapping[Group, int]) -> None:
        """So many distinct items were shown today."""
        for group in self._covered - items.keys():
            JOIN_COVERED.remove(*group)
        self._covered = set(items)
        for group, count in items.items():
            JOIN_COVERED.labels(*group).set(count)

    def conflict(self) -> None:
        """A batch is planned again, as another worker changed the same state."""
        CONFLICTS.labels("join").inc()

    def _labels(self, group: Group) -> Group:
        if group in self._known or len(self._known) < MAX_GROUPS:
            self._known.add(group)
            return group
        return Group("other", "", "")
