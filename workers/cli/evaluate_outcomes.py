"""`freshet evaluate outcomes`: what people did with the lists that they were shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from workers.cli.invocation import invocation
from workers.cli.output import console, note, print_json, table

if TYPE_CHECKING:
    from models.evaluation.intervals import Estimate
    from workers.outcome_report import Figures

_COLUMNS = ("lists", "people", "items", "click-through", "conversion")


@click.command()
@click.option("--experiment", metavar="NAME", help="Only the lists of this experiment.")
@click.option(
    "--control", default="control", show_default=True, metavar="ARM", help="The arm to compare others with."
)
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="Only lists of the last hours.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON document; shares, not percent.")
def outcomes(experiment: str | None, control: str, hours: float | None, as_json: bool) -> None:
    """Show click-through and conversion of lists, by model and by experiment arm, with 95 % intervals.

    Lists and outcomes are read from Kafka, as far back as it holds them. A list counts as clicked where it
    has an outcome of positive weight. People are what is drawn at random: intervals allow for what the lists
    of one person have in common.
    """
    from workers.outcome_logs import logged_lists, logged_outcomes
    from workers.outcome_report import FEW_PEOPLE, outcome_report

    settings = invocation().settings()
    report = outcome_report(
        logged_lists(settings, since(hours)),
        logged_outcomes(settings),
        settings.join.conversions,
        experiment=experiment,
        control=control,
    )
    if as_json:
        print_json(report)
        return
    if not report.lists:
        note("no lists" + (f" of the experiment `{experiment}`" if experiment else ""))
        return
    console().print(table(("model", *_COLUMNS), [_row(one) for one in report.models]))
    for one in report.experiments:
        columns = ("arm", *_COLUMNS, f"click-through − {one.control}", f"conversion − {one.control}")
        rows = [
            (
                *_row(arm),
                percent(arm.click_through_difference, signed=True),
                percent(arm.conversion_difference, signed=True),
            )
            for arm in one.arms
        ]
        console().print(table(columns, rows, title=f"\nexperiment {one.name}"))
    note(f"{report.lists} lists, {report.outcomes} outcomes" + _unknown(report.unknown))
    parts = [*report.models, *(arm for one in report.experiments for arm in one.arms)]
    if any(part.people < FEW_PEOPLE for part in parts):
        note(f"fewer than {FEW_PEOPLE} people: take those intervals for too narrow")


def since(hours: float | None) -> datetime | None:
    """So many hours ago."""
    return None if hours is None else datetime.now(UTC) - timedelta(hours=hours)


def percent(estimate: Estimate | None, *, signed: bool = False) -> str | None:
    """An estimate with its interval, in percent."""
    if estimate is None:
        return None
    sign = "+" if signed else ""
    value, low, high = (100 * one for one in (estimate.value, estimate.low, estimate.high))
    return f"{value:{sign}.2f} % [{low:{sign}.2f}, {high:{sign}.2f}]"


def _row(figures: Figures) -> tuple[object, ...]:
    return (
        figures.name,
        figures.lists,
        figures.people,
        round(figures.items_per_list, 1),
        percent(figures.click_through),
        percent(figures.conversion),
    )


def _unknown(count: int) -> str:
    return f" ({count} more of lists that are not among these)" if count else ""
