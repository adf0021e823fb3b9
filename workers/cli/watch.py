"""`freshet watch`: lists as they are published."""

from __future__ import annotations

from itertools import islice

import click

from workers.cli.invocation import invocation
from workers.cli.output import note, print_json
from workers.cli.stopping import StopAsked, stop_on_signals
from workers.exit_codes import OK


@click.command()
@click.option("--user", help="Only this person's lists.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many lists.")
@click.option("--from-beginning", is_flag=True, help="First every list that Kafka still holds.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line, as it is on Kafka.")
def watch(user: str | None, count: int | None, from_beginning: bool, as_json: bool) -> int:
    """Follow the lists as they are published, until Ctrl-C."""
    from streams.client import FreshetClient
    from workers.cli.lists import list_line

    settings = invocation().settings()
    try:
        with (
            stop_on_signals(),
            FreshetClient(settings.kafka, settings.topics.prefix) as client,
            client.recommendations(user, from_beginning=from_beginning) as stream,
        ):
            note("following; Ctrl-C ends")
            for answer in islice(stream, count):
                if as_json:
                    print_json(answer)
                else:
                    click.echo(list_line(answer))
    except StopAsked:
        pass
    return OK
