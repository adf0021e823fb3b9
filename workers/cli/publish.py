"""`freshet publish`: a file of JSON lines to a topic."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

import click

from workers.cli.hashed_ids import hash_key_file_option
from workers.cli.invocation import invocation
from workers.cli.output import console, note, print_json
from workers.exit_codes import BAD_INPUT, OK

# What the JSON summary names; all are counted, and all are reported on standard error.
MAX_REPORTED_LINES = 1_000


@click.command()
@click.argument("kind", type=click.Choice(["items", "events"]))
@click.argument("file", type=click.File("rb"))
@hash_key_file_option("Ids of people in events are")
@click.option("--json", "as_json", is_flag=True, help="The summary as a JSON document.")
def publish(kind: str, file: BinaryIO, hash_key_file: Path | None, as_json: bool) -> int:
    """Publish FILE (-: standard input), one JSON object a line, to the topic of items or of events.

    Each line is checked first. A bad one is reported by its number and does not stop the rest; the exit code
    is 1 if any was bad.
    """
    from streams.client import FreshetClient
    from streams.hash_key_file import read_hash_key
    from streams.messages import Event, Item
    from streams.person_hash import with_hashed_id
    from streams.publish_lines import BadLine, publish_lines
    from streams.topic_names import TopicNames

    if kind == "items" and hash_key_file is not None:
        raise click.UsageError("--hash-key-file is for events: items name nobody.")
    key = None if hash_key_file is None else read_hash_key(hash_key_file)
    settings = invocation().settings()
    names = TopicNames(settings.topics.prefix)
    bad_lines: list[BadLine] = []
    with FreshetClient(settings.kafka, settings.topics.prefix) as client, _progress(file, kind) as progress:
        show_bytes, show_line = progress

        def on_bad(line: BadLine) -> None:
            show_line(f"line {line.number}: {line.problem}")
            if len(bad_lines) < MAX_REPORTED_LINES:
                bad_lines.append(line)

        counts = publish_lines(
            client,
            names.items if kind == "items" else names.events,
            Item if kind == "items" else Event,
            file,
            on_bad,
            show_bytes,
            (lambda message: message) if key is None else partial(with_hashed_id, key=key),
        )
    if as_json:
        print_json({"published": counts.published, "bad": counts.bad, "bad_lines": bad_lines})
    else:
        note(f"{counts.published} {kind} published" + (f", {counts.bad} bad lines" if counts.bad else ""))
    return BAD_INPUT if counts.bad else OK


@contextmanager
def _progress(file: BinaryIO, kind: str) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """A bar on a terminal, and a way to print lines beside it."""
    if not sys.stderr.isatty():
        yield (lambda size: None), note
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from workers.cli.output import plain

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(err=True)) as bar:
        task = bar.add_task(f"publishing {kind}", total=_size_bytes(file))
        yield (lambda size: bar.advance(task, size)), lambda line: bar.console.print(plain(line))


def _size_bytes(file: BinaryIO) -> int | None:
    try:
        return os.fstat(file.fileno()).st_size or None
    except (OSError, ValueError):
        return None
