"""`freshet doctor`: check everything, and say what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.text import Text

from workers.cli.invocation import invocation
from workers.cli.output import console, plain, print_json
from workers.exit_codes import BAD_INPUT, OK

if TYPE_CHECKING:
    from workers.doctor.check import Check

_SHOWN = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red")}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The findings as a JSON document.")
def doctor(as_json: bool) -> int:
    """Check versions, encoders, Redis, Kafka, topics, workers and keys, and say what to do.

    Exit code 1 if a check fails; warnings alone are 0.
    """
    from workers.doctor.examine import examine

    settings = invocation().settings()
    checks: list[Check] = []
    for check in examine(settings):
        checks.append(check)
        if not as_json:
            _show(check)
    failed = sum(check.status == "fail" for check in checks)
    warned = sum(check.status == "warn" for check in checks)
    if as_json:
        print_json({"ok": not failed, "checks": checks})
    else:
        click.echo(f"\n{len(checks)} checks: {failed} failed, {warned} warnings")
    return BAD_INPUT if failed else OK


def _show(check: Check) -> None:
    label, style = _SHOWN[check.status]
    console().print(Text.assemble((label, style), f"  {check.area:<9} {plain(check.found)}"))
    if check.advice:
        console().print(Text(f"                → {plain(check.advice)}"))
