"""`freshet bench`: how fast it is, beside a baseline of the same run."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workers.cli.invocation import invocation
from workers.cli.output import console, note, print_json, table
from workers.cli.stopping import StopAsked, stop_on_signals
from workers.exit_codes import BAD_INPUT, INTERRUPTED, OK

if TYPE_CHECKING:
    from workers.bench.rows import Row
    from workers.bench.run import Size

NAMES = ("throughput", "latency", "freshness", "encode", "retrieval", "memory", "scaling", "recovery")


@click.command()
@click.argument("names", metavar="[NAME…]", nargs=-1, type=click.Choice(NAMES))
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="OUT",
    help="Write the rows to this file; `-` for standard output.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write a page with tables and plots into this folder (needs Matplotlib).",
)
@click.option("--long", "is_long", is_flag=True, help="The full sizes, up to a million items; takes hours.")
@click.option("--tiny", "is_tiny", is_flag=True, help="Only to see that it runs: figures say nothing.")
def bench(
    names: tuple[str, ...], json_file: Path | None, report: Path | None, is_long: bool, is_tiny: bool
) -> int:
    """Measure how fast Freshet is on this machine, each figure beside a baseline of the same run.

    NAME is throughput, latency, freshness, encode, retrieval, memory, scaling or recovery; without one, all.
    Each starts a Kafka, a Redis and the workers that it needs in a temporary folder, warms up, measures,
    and leaves nothing behind. On two cores each ends within ten minutes, unless --long is given.
    """
    if is_long and is_tiny:
        raise click.UsageError("--long and --tiny exclude each other.")
    from workers.bench.run import Bench, run_parts

    given = invocation()
    given.settings()
    if report is not None:
        from workers.bench.plots import require_matplotlib

        require_matplotlib()
    size: Size = "long" if is_long else "tiny" if is_tiny else "short"
    out = console(err=json_file is not None and str(json_file) == "-")
    rows: list[Row] = []
    failures: list[str] = []

    def take(name: str, found: Sequence[Row]) -> None:
        out.print(_table(name, found))
        rows.extend(found)
        _write(rows, json_file, report, size)

    def fail(name: str, error: Exception) -> None:
        failures.append(name)
        note(f"error: {name}: {type(error).__name__}: {error}")
        if given.debug:
            traceback.print_exception(error)

    try:
        with stop_on_signals():
            run_parts(
                names or NAMES, Bench(size=size, flags=given.flags, config=given.config, say=note), take, fail
            )
    except StopAsked:
        note("stopped")
        return INTERRUPTED
    if json_file is not None and str(json_file) == "-":
        print_json(rows)
    if failures:
        note(f"failed: {', '.join(failures)}")
        return BAD_INPUT
    return OK


def _table(name: str, rows: Sequence[Row]) -> object:
    from workers.bench.rows import figure_text, setting_text

    return table(
        (name, "value", "baseline", "unit", "ratio", "setting"),
        [
            (
                row.name,
                figure_text(row.value),
                figure_text(row.baseline),
                row.unit,
                figure_text(row.ratio),
                setting_text(row.setting),
            )
            for row in rows
        ],
    )


def _write(rows: Sequence[Row], json_file: Path | None, report: Path | None, size: Size) -> None:
    """After each part: what is measured stays, whatever comes."""
    if json_file is not None and str(json_file) != "-":
        from workers.bench.rows import write_rows

        write_rows(rows, json_file)
    if report is not None:
        from workers.bench.report import write_report

        write_report(rows, report, size)
