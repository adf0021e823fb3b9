"""`freshet demo`: see lists follow what people do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from workers.cli.console import require_extra
from workers.cli.invocation import invocation
from workers.cli.output import console, note, print_json
from workers.cli.stopping import StopAsked, stop_on_signals
from workers.exit_codes import BAD_INPUT, INTERRUPTED, OK

if TYPE_CHECKING:
    from workers.demo.report import Report
    from workers.local_deployment import LocalDeployment

MIN_SECONDS, MAX_SECONDS = 30, 60
_POLL_S = 0.2


@click.command()
@click.option(
    "--seconds",
    type=click.IntRange(MIN_SECONDS, MAX_SECONDS),
    default=36,
    show_default=True,
    help="How long people act.",
)
@click.option(
    "--console",
    "with_console",
    is_flag=True,
    help="Serve the web page meanwhile, and leave it running to play with until Ctrl-C.",
)
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON; the rest on standard error.")
def demo(seconds: int, with_console: bool, as_json: bool) -> int:
    """See lists follow what people do, in a temporary folder.

    Starts a Kafka, a Redis and every role, publishes a catalogue of pictures, sounds, films and text, and
    lets simulated people with distinct tastes act. In the middle brand-new items come, and a worker is
    killed. Ends with a summary, and exit code 0 only if every check in it holds. Nothing is left behind.
    With --console the page stays, with all of it running, until Ctrl-C.
    """
    from workers.demo.run import run_demo
    from workers.demo.show import Show
    from workers.demo.summary import print_summary

    given = invocation()
    given.settings()
    if with_console:
        require_extra()
    out = console(err=as_json)
    report: Report | None = None

    def show_report(made: Report, deployment: LocalDeployment) -> None:
        nonlocal report
        report = made
        if as_json:
            print_json({"passed": made.passed, "checks": made.checks, "report": made})
        else:
            print_summary(out, made)
        if deployment.console_address is not None:
            note(f"The page is yours: {deployment.console_address}   (Ctrl-C ends it)")
            while True:
                deployment.poll()
                time.sleep(_POLL_S)

    try:
        with stop_on_signals():
            run_demo(given.flags, seconds, Show(out), show_report, with_console=with_console)
    except StopAsked:
        note("stopped")
    if report is None:
        return INTERRUPTED
    return OK if report.passed else BAD_INPUT
