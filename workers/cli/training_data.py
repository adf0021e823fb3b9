"""What every `freshet train` command reads: a data set or topics, with vectors of items' texts and media."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workers.cli.invocation import invocation
from workers.cli.output import note
from workers.cli.report_options import Command, cache_option, from_topics_option, require_one_source
from workers.cli.training_options import require_device

if TYPE_CHECKING:
    from streams.settings import Settings
    from workers.cli.progress import Bars
    from workers.evaluation.offline_data import OfflineData
    from workers.evaluation.pinned_ends import PinnedEnds

CHECKPOINT_FILE = "checkpoint.pt"
ENDS_FILE = "read_until.json"


def source_options(command: Command) -> Command:
    """``--dataset``, ``--from-topics`` and ``--cache``: `dataset`, `from_topics` and `cache`."""
    dataset = click.option(
        "--dataset",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="A folder with interactions.npz, with items.jsonl and events.jsonl, or MovieLens-100k.",
    )
    return dataset(from_topics_option(cache_option(command)))


out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="BUNDLE",
    required=True,
    help="Where the bundle is written. A run that was stopped and is started again goes on.",
)
seed_option = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)


def check_before_training(
    dataset: Path | None, cache: Path | None, device: str, *, from_topics: bool, with_report: bool
) -> None:
    """Whether there is one source, and what is needed is there: before anything is read.

    Raises:
        UsageError: Options contradict each other.
        ConfigurationError: Something is not installed.
        SettingError: There is no such device.
    """
    require_one_source(dataset, from_topics=from_topics)
    if from_topics and cache is not None:
        raise click.UsageError("--cache goes with --dataset: topics hold vectors already.")
    require_installed(("torch", "onnx", "scipy"), "train,offline")
    require_device(device)
    if with_report:
        from workers.evaluation.plots import require_matplotlib

        require_matplotlib()


def require_installed(packages: Sequence[str], extras: str) -> None:
    """Raises ConfigurationError where a package is not there; says which extras bring it."""
    from streams.errors import ConfigurationError

    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ConfigurationError(f"training needs {', '.join(missing)}: pip install 'freshet[{extras}]'")


def ends_of_run(out: Path) -> PinnedEnds:
    """Where the topics of a run end: where they did when it was stopped, else now."""
    from workers.evaluation.pinned_ends import PinnedEnds

    return PinnedEnds(out / ENDS_FILE, goes_on=(out / CHECKPOINT_FILE).exists())


def read_training_data(
    dataset: Path | None, cache: Path | None, bars: Bars, ends: PinnedEnds
) -> tuple[OfflineData, Settings]:
    """What to learn from, and the settings that its items were encoded by.

    Args:
        dataset: A folder; None: what Kafka still holds.
        cache: See `interaction_data`; of no use without a data set.
        ends: Where topics end.
    """
    source, settings = _read(dataset, cache, bars, ends)
    for refused in source.refused:
        note(f"left out: {refused}")
    if source.unknown_items:
        note(f"left out: {source.unknown_items:,} positive events on items that are not in the catalogue")
    return source, settings


def _read(
    dataset: Path | None, cache: Path | None, bars: Bars, ends: PinnedEnds
) -> tuple[OfflineData, Settings]:
    from models.datasets import is_presplit, open_dataset, read_presplit
    from workers.evaluation.offline_data import OfflineData, interaction_data
    from workers.evaluation.retained_interactions import topics_data

    if dataset is None:
        settings = invocation().settings()
        return topics_data(settings, bars, ends), settings
    if is_presplit(dataset):
        return OfflineData(read_presplit(dataset)), invocation().settings()
    opened = open_dataset(dataset)
    settings = invocation().settings(opened.settings)
    source = interaction_data(
        opened,
        settings,
        cache=cache,
        on_progress=lambda done, total: bars("encoding texts and media", done, total),
    )
    return source, settings
