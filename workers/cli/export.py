"""`freshet export`: all that is held on a person."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import click

from streams.errors import ConfigurationError
from workers.cli.hashed_ids import hash_key_file_option, id_in_topics
from workers.cli.invocation import invocation
from workers.cli.output import console, note


@click.command()
@click.argument("user")
@hash_key_file_option("USER is")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write there instead of to standard output; readable by you alone.",
)
def export(user: str, hash_key_file: Path | None, output: Path | None) -> None:
    """Give all that is held on USER, as JSON: state in Redis, and every record that Kafka still has."""
    import asyncio
    from datetime import UTC, datetime

    import msgspec

    from workers.person_export import export_person

    person = id_in_topics(user, hash_key_file)
    settings = invocation().settings()
    with console(err=True).status("reading…") as status:
        found = asyncio.run(
            export_person(settings, person, datetime.now(UTC), lambda name: status.update(f"reading {name}…"))
        )
    text = msgspec.json.format(msgspec.json.encode(found), indent=2)
    if output is None:
        click.echo(text.decode())
        return
    write_private(output, text)
    note(f"{sum(map(len, found['topics'].values()))} records of {person} in {output}")


def write_private(path: Path, text: bytes) -> None:
    """Write a file that its owner alone may read, also where it was there and others could.

    Raises:
        ConfigurationError: It is a link, which may lead where others read, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            # A pipe or a device is left as it is.
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.fchmod(descriptor, 0o600)
                os.ftruncate(descriptor, 0)
            file.write(text)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ConfigurationError(f"{path} is a link, and is not followed: name the file itself") from None
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
