"""What commands print: tables and bars for people, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Into a pipe or a file nothing is cut off to the width of a terminal that is not there.
_PIPE_WIDTH = 240


def console(*, err: bool = False) -> Console:
    """Standard output, or standard error; in colour on a terminal only (and not with NO_COLOR)."""
    is_terminal = (sys.stderr if err else sys.stdout).isatty()
    return Console(stderr=err, width=None if is_terminal else _PIPE_WIDTH, highlight=False, markup=False)


def plain(value: object) -> str:
    """Text that cannot steer a terminal: what is not printable is shown as an escape, newlines stay."""
    return "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode()
        for one in str(value)
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> Table:
    """A table; numbers to the right, nothing interpreted."""
    made = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        made.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(_cell(value)) for value in row))
    return made


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return "" if value is None else plain(value)


def print_json(value: Any) -> None:
    """One JSON document on a line of standard output; times and messages as the contract has them."""
    click.echo(msgspec.json.encode(value).decode())


def write_json(value: Any, path: Path) -> None:
    """A JSON document with line breaks to a file, and say so; ``-`` is standard output."""
    if str(path) == "-":
        print_json(value)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    note(f"wrote {path}")


def note(text: str) -> None:
    """A line for a person, on standard error."""
    click.echo(plain(text), err=True)
