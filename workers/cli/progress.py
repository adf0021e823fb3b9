"""Bars for what takes a while, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workers.cli.output import console

Bars = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is done, and of how much, where that is known."""


@contextmanager
def progress() -> Iterator[Bars]:
    """A bar for each thing that is done, on standard error; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(err=True)) as shown:
        tasks: dict[str, TaskID] = {}

        def bars(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what, total=total)
            shown.update(tasks[what], completed=done, total=total)

        yield bars
