"""`freshet evaluate off-policy`: what another policy would have brought."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from workers.cli.evaluate_outcomes import percent, since
from workers.cli.invocation import invocation
from workers.cli.output import console, note, print_json, table
from workers.exit_codes import BAD_INPUT, OK

if TYPE_CHECKING:
    from workers.off_policy_report import TargetPolicy

DEFAULT_CLIP = 100.0
# A mean weight further from 1 means that the policy does what was never tried, or that much was clipped.
WEIGHT_TOLERANCE = 0.2
FEW_EFFECTIVE_ITEMS = 100


@click.command()
@click.option(
    "--policy",
    required=True,
    metavar="FILE|greedy|uniform",
    help="JSON lines of recommendation_id, item_id and probability; or the lists without exploration; or "
    "each place by chance from the candidates of exploration.",
)
@click.option(
    "--clip",
    type=click.FloatRange(min=0, min_open=True),
    default=DEFAULT_CLIP,
    show_default=True,
    help="The greatest weight of an item.",
)
@click.option("--action", metavar="NAME", help="Only this action is a reward (default: any positive weight).")
@click.option("--experiment", metavar="NAME", help="Only the lists of this experiment.")
@click.option("--arm", metavar="NAME", help="Only the lists of this arm.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="Only lists of the last hours.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON document; shares, not percent.")
def off_policy(
    policy: str,
    clip: float,
    action: str | None,
    experiment: str | None,
    arm: str | None,
    hours: float | None,
    as_json: bool,
) -> int:
    """Estimate what another policy would have brought, from lists with propensities (`rerank.exploration`).

    Rates are of items that people acted on, among items shown. Exit code 1 where no list has propensities
    that the policy says something of.
    """
    from workers.off_policy_report import file_policy, greedy_policy, off_policy_report, uniform_policy
    from workers.outcome_logs import logged_lists, logged_outcomes

    settings = invocation().settings()
    target: TargetPolicy
    match policy:
        case "greedy":
            target = greedy_policy
        case "uniform":
            target = uniform_policy(settings.rerank.exploration_candidates)
        case _:
            target = file_policy(Path(policy))
    lists = (
        (user_id, shown)
        for user_id, shown in logged_lists(settings, since(hours))
        if experiment in (None, shown.experiment) and arm in (None, shown.arm)
    )
    report = off_policy_report(policy, target, lists, logged_outcomes(settings), clip=clip, action=action)
    if as_json:
        print_json(report)
        return OK if report.lists else BAD_INPUT
    left_out = f"{report.without_propensities} lists without propensities"
    if report.without_target:
        left_out += f", {report.without_target} of which the policy says nothing"
    if not report.lists:
        note(f"no list to learn from: {left_out}. Lists have propensities where `rerank.exploration` is on.")
        return BAD_INPUT
    rows = [
        ("logged", percent(report.logged), None),
        (f"{policy} (self-normalised)", percent(report.snips), percent(report.difference, signed=True)),
        (f"{policy} (IPS)", percent(report.ips), None),
    ]
    console().print(table(("policy", "items acted on", "− logged"), rows))
    note(
        f"{report.lists} lists of {report.people} people, {report.items} items, worth "
        f"{report.effective_items:.0f} of the policy's own; left out: {left_out}"
    )
    note(
        f"weights: mean {report.weight_mean:.3f}, greatest {report.weight_max:.1f}, "
        f"{100 * report.clipped:.2f} % clipped at {clip:g}"
    )
    if abs(report.weight_mean - 1) > WEIGHT_TOLERANCE:
        note(
            "the mean weight is not near 1: the policy does much that was never tried, or was clipped; "
            "trust neither estimate far"
        )
    if report.effective_items < FEW_EFFECTIVE_ITEMS:
        note(f"fewer than {FEW_EFFECTIVE_ITEMS} effective items: too few for an interval to be right")
    return OK
