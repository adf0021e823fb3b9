"""`freshet demo`: see lists follow what people do."""

from __future__ import annotations

import click

from workers.cli.invocation import invocation
from workers.cli.output import console, note, print_json
from workers.cli.stopping import StopAsked, stop_on_signals
from workers.exit_codes import BAD_INPUT, INTERRUPTED, OK

MIN_SECONDS, MAX_SECONDS = 30, 60


@click.command()
@click.option(
    "--seconds",
    type=click.IntRange(MIN_SECONDS, MAX_SECONDS),
    default=36,
    show_default=True,
    help="How long people act.",
)
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON; the rest on standard error.")
def demo(seconds: int, as_json: bool) -> int:
    """See lists follow what people do, in a temporary folder.

    Starts a Kafka, a Redis and every role, publishes a catalogue of pictures, sounds, films and text, and
    lets simulated people with distinct tastes act. In the middle brand-new items come, and a worker is
    killed. Ends with a summary, and exit code 0 only if every check in it holds. Nothing is left behind.
    """
    from workers.demo.run import run_demo
    from workers.demo.show import Show
    from workers.demo.summary import print_summary

    given = invocation()
    given.settings()
    out = console(err=as_json)
    try:
        with stop_on_signals():
            report = run_demo(given.flags, seconds, Show(out))
    except StopAsked:
        note("stopped")
        return INTERRUPTED
    if as_json:
        print_json({"passed": report.passed, "checks": report.checks, "report": report})
    else:
        print_summary(out, report)
    return OK if report.passed else BAD_INPUT
