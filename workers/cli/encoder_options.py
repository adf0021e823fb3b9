"""What commands that write encoders have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

encoders_out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    default=Path("encoders"),
    show_default=True,
    help="The folder of encoders; each has a folder of its own in it.",
)


def show_encoder_settings(out: Path, names: Mapping[str, str]) -> None:
    """The settings by which workers use encoders of a folder, given as modality → name."""
    click.echo("In the settings of every role:\n")
    click.echo(f"[encoders]\nfolders = [{json.dumps(str(out.absolute()))}]")
    for modality, name in names.items():
        click.echo(f'{modality} = "{name}"')
