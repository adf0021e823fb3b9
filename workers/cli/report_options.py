"""Options that commands which read a data set and write a report have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def cache_option(command: Command) -> Command:
    """``--cache FOLDER``: `cache`, a path or None."""
    return click.option(
        "--cache",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="Keeps the vectors of texts and media for the next time.",
    )(command)


def from_topics_option(command: Command) -> Command:
    """``--from-topics``: `from_topics`, whether it is given."""
    return click.option("--from-topics", is_flag=True, help="The items and events that Kafka still holds.")(
        command
    )


def require_one_source(dataset: Path | None, *, from_topics: bool) -> None:
    """Either a data set or topics.

    Raises:
        UsageError: Both are named, or neither.
    """
    if (dataset is None) != from_topics:
        raise click.UsageError("Name a --dataset, or give --from-topics.")


def output_options(written: str, page: str) -> Callable[[Command], Command]:
    """``--json FILE`` and ``--report FOLDER``: `json_file` and `report`, paths or None.

    Args:
        written: What the JSON holds, in words.
        page: What the page shows, in words.
    """

    def add(command: Command) -> Command:
        command = click.option(
            "--report",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="FOLDER",
            help=f"Write a page with {page}; needs the extra `report`.",
        )(command)
        return click.option(
            "--json",
            "json_file",
            type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
            metavar="FILE",
            help=f"Write {written} as JSON; - is standard output.",
        )(command)

    return add
