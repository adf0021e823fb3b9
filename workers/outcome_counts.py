"""What is counted of lists and outcomes: by day, model, experiment and arm.

An outcome counts on the day of its list, so that a day's ratios are of the same lists. The sums are kept in
the state store, moved in the same step as the fence (docs/guide/outcomes.md has the formulas).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import NamedTuple

import msgspec

from workers.state.exposures import CountedOutcome, ShownList, time_of
from workers.state.store import DistinctAddition, TallyIncrement

LISTS_SHOWN = "lists"
ITEMS_SHOWN = "items"
NOVELTY_BITS = "novelty_bits"
POSITIVES = "positive_outcomes"
POSITIVE_LISTS = "lists_with_positive"
CONVERSIONS = "conversions"
CONVERTED_LISTS = "lists_with_conversion"
OUTCOMES = "outcomes:"
OTHER_ACTION = "other"


class Group(NamedTuple):
    """What made a list. Empty where no experiment ran."""

    model: str
    experiment: str
    arm: str

    @classmethod
    def of(cls, shown: ShownList) -> Group:
        """That of a list."""
        return cls(shown.model, shown.experiment or "", shown.arm or "")


class OutcomeCounts:
    """The counts of one batch.

    Args:
        actions: Outcomes of other actions count as `OTHER_ACTION`: anybody may invent names.
        conversions: The actions that are conversions.
        novelty_bits: Of an item.
    """

    def __init__(
        self,
        actions: Collection[str],
        conversions: Collection[str],
        novelty_bits: Callable[[str], float],
    ) -> None:
        self._actions = actions
        self._conversions = conversions
        self._novelty_bits = novelty_bits
        self.sums: dict[tuple[date, Group, str], float] = defaultdict(float)
        self.shown: dict[tuple[date, Group], set[str]] = defaultdict(set)

    def add_list(self, shown: ShownList) -> None:
        """A list was shown."""
        day, group = time_of(shown.shown_us).date(), Group.of(shown)
        self.sums[day, group, LISTS_SHOWN] += 1
        self.sums[day, group, ITEMS_SHOWN] += len(shown.item_ids)
        self.sums[day, group, NOVELTY_BITS] += sum(map(self._novelty_bits, shown.item_ids))
        self.shown[day, group].update(shown.item_ids)

    def add_outcome(self, outcome: CountedOutcome) -> None:
        """An event was joined with its list."""
        day, action = outcome.day, outcome.action
        group = Group(outcome.model, outcome.experiment, outcome.arm)
        self.sums[day, group, OUTCOMES + (action if action in self._actions else OTHER_ACTION)] += 1
        if outcome.is_positive:
            self.sums[day, group, POSITIVES] += 1
        if action in self._conversions:
            self.sums[day, group, CONVERSIONS] += 1
        if outcome.is_first_positive:
            self.sums[day, group, POSITIVE_LISTS] += 1
        if outcome.is_first_conversion:
            self.sums[day, group, CONVERTED_LISTS] += 1

    def tallies(self, expire_after_s: int) -> list[TallyIncrement]:
        """The sums, as a change of the state."""
        return [
            TallyIncrement(tally_name(day), _field(group, measure), amount, expire_after_s)
            for (day, group, measure), amount in self.sums.items()
        ]

    def distinct(self, expire_after_s: int) -> list[DistinctAddition]:
        """The items shown, as a change of the state."""
        return [
            DistinctAddition(shown_name(day, group), sorted(items), expire_after_s)
            for (day, group), items in self.shown.items()
        ]


def tally_name(day: date) -> str:
    """The tally of a day (UTC)."""
    return f"outcomes:{day.isoformat()}"


def shown_name(day: date, group: Group) -> str:
    """The set of items that were shown on a day."""
    return f"shown:{day.isoformat()}:{msgspec.json.encode(group).decode()}"


def read_tally(tally: Mapping[str, float]) -> dict[Group, dict[str, float]]:
    """A day's sums by group and measure."""
    found: dict[Group, dict[str, float]] = {}
    for field, amount in tally.items():
        model, experiment, arm, measure = msgspec.json.decode(field, type=tuple[str, str, str, str])
        found.setdefault(Group(model, experiment, arm), {})[measure] = amount
    return found


def _field(group: Group, measure: str) -> str:
    return msgspec.json.encode([*group, measure]).decode()
