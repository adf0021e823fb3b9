"""`freshet export`: all that is held on a person."""

from __future__ import annotations

from pathlib import Path

import click

from workers.cli.invocation import invocation
from workers.cli.output import console, note


@click.command()
@click.argument("user")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write there instead of to standard output; readable by you alone.",
)
def export(user: str, output: Path | None) -> None:
    """Give all that is held on USER, as JSON: state in Redis, and every record that Kafka still has."""
    import asyncio
    import os
    from datetime import UTC, datetime

    import msgspec

    from streams.errors import ConfigurationError
    from workers.person_export import export_person

    settings = invocation().settings()
    with console(err=True).status("reading…") as status:
        found = asyncio.run(
            export_person(settings, user, datetime.now(UTC), lambda name: status.update(f"reading {name}…"))
        )
    text = msgspec.json.format(msgspec.json.encode(found), indent=2)
    if output is None:
        click.echo(text.decode())
        return
    try:
        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(text)
    except OSError as error:
        raise ConfigurationError(f"{output} cannot be written: {error.strerror}") from error
    note(f"{sum(map(len, found['topics'].values()))} records of {user} in {output}")
