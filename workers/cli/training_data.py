"""What every `freshet train` command reads: a data set with the vectors of its items' texts and media."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workers.cli.invocation import invocation

if TYPE_CHECKING:
    from streams.settings import Settings
    from workers.cli.progress import Bars
    from workers.evaluation.offline_data import OfflineData

CHECKPOINT_FILE = "checkpoint.pt"

dataset_option = click.option(
    "--dataset",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    required=True,
    help="A folder with interactions.npz, with items.jsonl and events.jsonl, or MovieLens-100k.",
)
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="BUNDLE",
    required=True,
    help="Where the bundle is written. A run that was stopped and is started again goes on.",
)
seed_option = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)


def require_training(with_report: bool) -> None:
    """Whether what is needed is installed: before anything is trained, not after it."""
    from streams.errors import ConfigurationError

    missing = [name for name in ("torch", "onnx", "scipy") if find_spec(name) is None]
    if missing:
        raise ConfigurationError(f"training needs {', '.join(missing)}: pip install 'freshet[train,offline]'")
    if with_report:
        from workers.evaluation.plots import require_matplotlib

        require_matplotlib()


def read_training_data(
    dataset: Path, cache: Path | None, bars: Bars, **flags: Any
) -> tuple[OfflineData, Settings]:
    """The data set in a folder, and the settings that its items were encoded by.

    Args:
        flags: Settings, section by section, over all others.
    """
    from models.datasets import is_presplit, open_dataset, read_presplit
    from workers.evaluation.offline_data import OfflineData, interaction_data

    if is_presplit(dataset):
        return OfflineData(read_presplit(dataset)), invocation().settings(flags)
    opened = open_dataset(dataset)
    settings = invocation().settings({**opened.settings, **flags})
    source = interaction_data(
        opened,
        settings,
        cache=cache,
        on_progress=lambda done, total: bars("encoding texts and media", done, total),
    )
    return source, settings
