"""Options of how networks learn, which several commands have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from workers.cli.report_options import Command

DEVICES = ("cpu", "cuda", "auto")
# By name, so that no worker imports PyTorch.
_DEVICE = "models.training.device"

device_option = click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="cpu",
    show_default=True,
    help="Where the network learns; auto: a GPU where there is one.",
)


def popularity_option(default: float | None) -> Callable[[Command], Command]:
    """``--popularity``: γ; a default of None leaves it as each model has it."""
    return _option(
        "--popularity",
        click.FloatRange(0, 1),
        default,
        "How much popularity is corrected for: 1 leaves it out of vectors.",
    )


def modality_dropout_option(default: float | None, of: str) -> Callable[[Command], Command]:
    """``--modality-dropout``; ``of``: what it is a share of, in words."""
    return _option("--modality-dropout", click.FloatRange(0, 1), default, of)


def temperature_option(default: float | None) -> Callable[[Command], Command]:
    """``--temperature``: τ."""
    return _option(
        "--temperature",
        click.FloatRange(0.001, 10),
        default,
        "Of the softmax that picks an item: the lower, the more the nearest wrong ones count.",
    )


window_option = click.option(
    "--window-s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="A fusion's pairs are of events no further apart than this (default: of all that a person took).",
)


def require_device(name: str) -> None:
    """Whether the device is there: before anything is read.

    Raises:
        SettingError: It is not.
        ConfigurationError: PyTorch is not installed.
    """
    if name != "cpu":
        from importlib import import_module
        from importlib.util import find_spec

        from streams.errors import ConfigurationError

        if find_spec("torch") is None:
            raise ConfigurationError(f"--device {name} needs PyTorch: pip install 'freshet[train]'")
        import_module(_DEVICE).training_device(name)


def given_settings(**options: Any) -> dict[str, Any]:
    """Those that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _option(
    name: str, kind: click.ParamType, default: float | None, text: str
) -> Callable[[Command], Command]:
    return click.option(name, type=kind, default=default, show_default=default is not None, help=text)
