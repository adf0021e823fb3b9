"""Click-through and conversion of lists, by model and by experiment arm, with how sure they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np

from models.evaluation.intervals import Estimate, difference, proportion
from workers.outcome_logs import LoggedOutcome
from workers.state.exposures import ShownList

CONTROL = "control"
# Below, the intervals promise more than they hold.
FEW_PEOPLE = 30


class Figures(msgspec.Struct, kw_only=True):
    """Of the lists of one model, or of one arm.

    ``click_through`` is the share of lists with a positive outcome, ``conversion`` that with an action of
    ``join.conversions``. The differences are to the control arm; None where there is none, or it is this.
    """

    name: str
    lists: int
    people: int
    items_per_list: float
    click_through: Estimate
    conversion: Estimate
    click_through_difference: Estimate | None = None
    conversion_difference: Estimate | None = None


class ExperimentFigures(msgspec.Struct, kw_only=True):
    """The arms of one experiment; ``control`` names the arm that the others are compared with."""

    name: str
    control: str
    arms: list[Figures]


class OutcomeReport(msgspec.Struct, kw_only=True):
    """What `freshet evaluate outcomes` shows. ``unknown``: outcomes whose list is not among the lists."""

    lists: int
    outcomes: int
    unknown: int
    models: list[Figures]
    experiments: list[ExperimentFigures]


class _Arm(NamedTuple):
    experiment: str
    arm: str


class _Sums:
    """Lists, positive lists and converted lists of each person, and how many items."""

    def __init__(self) -> None:
        self.by_person: dict[int, list[int]] = {}
        self.items = 0

    def add(self, person: int, column: int) -> None:
        self.by_person.setdefault(person, [0, 0, 0])[column] += 1

    def figures(self, name: str) -> Figures:
        columns = np.array(list(self.by_person.values()), np.float64).reshape(-1, 3)
        lists, positive, converted = columns.T
        return Figures(
            name=name,
            lists=int(lists.sum()),
            people=len(columns),
            items_per_list=self.items / max(1.0, float(lists.sum())),
            click_through=proportion(positive, lists),
            conversion=proportion(converted, lists),
        )


def outcome_report(
    lists: Iterable[tuple[str, ShownList]],
    outcomes: Iterable[LoggedOutcome],
    conversions: Iterable[str],
    *,
    experiment: str | None = None,
    control: str = CONTROL,
) -> OutcomeReport:
    """Bring lists and outcomes together.

    Args:
        lists: Each once, with whom it is for.
        outcomes: Each once.
        conversions: Actions that are conversions.
        experiment: Only its lists.
        control: The arm to compare with; where an experiment has none of that name, its first by name.
    """
    people: dict[str, int] = {}
    known: dict[str, tuple[int, _Sums, _Sums | None]] = {}
    models: dict[str, _Sums] = {}
    arms: dict[_Arm, _Sums] = {}
    for user_id, shown in lists:
        if experiment is not None and shown.experiment != experiment:
            continue
        person = people.setdefault(user_id, len(people))
        model = models.setdefault(shown.model, _Sums())
        arm = None
        if shown.experiment is not None and shown.arm is not None:
            arm = arms.setdefault(_Arm(shown.experiment, shown.arm), _Sums())
        known[shown.recommendation_id] = (person, model, arm)
        for sums in (model, arm):
            if sums is not None:
                sums.add(person, 0)
                sums.items += len(shown.item_ids)
    counted, unknown = 0, 0
    done: set[tuple[str, int]] = set()
    wanted = frozenset(conversions)
    for outcome in outcomes:
        found = known.get(outcome.recommendation_id)
        if found is None:
            unknown += 1
            continue
        counted += 1
        person, model, arm = found
        for column, holds in ((1, outcome.weight > 0), (2, outcome.action in wanted)):
            # A list counts once, however much was done with it.
            if not holds or (outcome.recommendation_id, column) in done:
                continue
            done.add((outcome.recommendation_id, column))
            for sums in (model, arm):
                if sums is not None:
                    sums.add(person, column)
    return OutcomeReport(
        lists=len(known),
        outcomes=counted,
        unknown=unknown,
        models=[sums.figures(name) for name, sums in sorted(models.items())],
        experiments=_experiments(arms, control),
    )


def _experiments(arms: dict[_Arm, _Sums], control: str) -> list[ExperimentFigures]:
    found: dict[str, list[Figures]] = {}
    for key, sums in sorted(arms.items()):
        found.setdefault(key.experiment, []).append(sums.figures(key.arm))
    reports = []
    for name, figures in found.items():
        base = next((one for one in figures if one.name == control), figures[0])
        for one in figures:
            if one is not base:
                one.click_through_difference = difference(one.click_through, base.click_through)
                one.conversion_difference = difference(one.conversion, base.conversion)
        reports.append(ExperimentFigures(name=name, control=base.name, arms=figures))
    return reports
