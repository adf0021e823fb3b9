"""`freshet evaluate offline`: models compared on a data set that is split."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workers.cli.evaluate_prequential import MODALITY_NAMES
from workers.cli.invocation import invocation
from workers.cli.output import console, note, table, write_json
from workers.cli.report_options import cache_option, output_options
from workers.cli.training_options import (
    device_option,
    given_settings,
    modality_dropout_option,
    popularity_option,
    require_device,
    temperature_option,
    window_option,
)

if TYPE_CHECKING:
    from models.offline.interface import ModelEntry
    from streams.fields import Modality
    from workers.cli.progress import Bars
    from workers.evaluation.offline_data import OfflineData

PROTOCOL_NAMES = ("official", "time", "leave-one-out")
MASK_NAMES = (*MODALITY_NAMES, "random-half")


def _names(_: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    chosen = tuple(one.strip() for one in text.split(",") if one.strip())
    if not chosen:
        raise click.BadParameter("write names, separated by commas")
    if parameter.name == "modalities":
        unknown = [one for one in chosen if one not in MODALITY_NAMES]
        if unknown:
            raise click.BadParameter(f"write a list of {', '.join(MODALITY_NAMES)}, separated by commas")
    return chosen


@dataclass(frozen=True, slots=True)
class _Options:
    """The command's own options."""

    dataset: Path
    protocol: str | None
    models: tuple[str, ...] | None
    modalities: tuple[Modality, ...]
    seeds: int
    choose_by: str
    cold_items: float
    masks: tuple[str, ...]
    without_masks: bool
    classes: str | None
    epochs: int | None
    popularity: float | None
    modality_dropout: float | None
    temperature: float | None
    window_s: float | None
    device: str
    cache: Path | None
    json_file: Path | None
    report: Path | None


@click.command()
@click.option(
    "--dataset",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    required=True,
    help="A folder with interactions.npz, with items.jsonl and events.jsonl, or MovieLens-100k.",
)
@click.option(
    "--protocol",
    type=click.Choice(PROTOCOL_NAMES),
    help="How interactions are split (default: the official split of a folder that has one, else by time).",
)
@click.option("--models", metavar="NAME,…", callback=_names, help="Which models (default: all).")
@click.option(
    "--modalities",
    default=",".join(MODALITY_NAMES),
    show_default=True,
    metavar="M,…",
    callback=_names,
    help="Which modalities of items count.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="How often a model with randomness is fitted.",
)
@click.option(
    "--choose-by",
    type=click.Choice(["recall@20", "ndcg@20"]),
    default="recall@20",
    show_default=True,
    help="The metric of validation by which settings and models are chosen.",
)
@click.option(
    "--cold-items",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.1,
    show_default=True,
    help="The share of items to rank as new ones by models of content; 0: none.",
)
@click.option(
    "--mask",
    "masks",
    type=click.Choice(MASK_NAMES),
    multiple=True,
    help="What to take from models of content at serving; may be repeated (default: each in turn).",
)
@click.option("--no-masks", "without_masks", is_flag=True, help="Take nothing away.")
@click.option(
    "--classes",
    metavar="ATTRIBUTE",
    help="Calibration is by this attribute of items (default: genres, category, or groups of popularity).",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Of models that are trained with PyTorch, at most so many (default: their own).",
)
@popularity_option(None)
@modality_dropout_option(
    None, "Of fusions: the chance of a modality to be left out; of user-sequence: of steps."
)
@temperature_option(None)
@window_option
@device_option
@cache_option
@output_options("the whole report", "tables and plots")
def offline(**given: Any) -> None:
    """Compare models on a data set: validation chooses settings and model, the test is read at the end.

    Each model ranks the whole catalogue without what the person took before; nothing is sampled. Recall,
    precision, HR, NDCG, MRR and MAP at 10 and 20, AUC, coverage, diversity, novelty, popularity bias and
    calibration, with intervals over people; by activity of people and popularity of items; models of content
    also with modalities taken away, and on items that nobody took. Formulas are in docs/guide/evaluation.md.
    --epochs, --popularity, --modality-dropout, --temperature, --window-s and --device are of the models that
    PyTorch trains (fusion-*, user-sequence), in place of their own settings. Needs the extra `offline`.
    """
    options = _Options(**given)
    _require(options)
    report = _compared(options)
    if options.json_file is not None:
        write_json(report, options.json_file)
    if options.report is not None:
        from workers.evaluation.offline_report import write_offline_report

        for path in write_offline_report(report, options.report):
            note(f"wrote {path}")
    _show(report, is_json_shown=str(options.json_file) == "-")


def _require(options: _Options) -> None:
    """Whether what is needed is installed and asked for: before anything is read, not after it."""
    from importlib.util import find_spec

    from streams.errors import ConfigurationError

    if find_spec("scipy") is None:
        raise ConfigurationError("comparing models needs SciPy: pip install 'freshet[offline]'")
    require_device(options.device)
    if options.report is not None:
        from workers.evaluation.plots import require_matplotlib

        require_matplotlib()
    for names, settings in _given(options):
        # Of none that is chosen, they would change nothing.
        if settings and options.models is not None and set(names).isdisjoint(options.models):
            given = ", ".join(f"--{name.replace('_', '-')}" for name in settings)
            raise click.UsageError(f"No chosen model takes {given}: of {', '.join(names)}.")


def _compared(options: _Options) -> dict[str, Any]:
    from models.errors import DatasetError
    from models.evaluation.splits import hold_out_items, split, usual_protocol
    from models.offline.comparison import Comparison, ComparisonSettings
    from models.offline.masks import RANDOM_HALF, check_mask
    from models.offline.registry import chosen_entries, why_left_out
    from workers.cli.progress import progress

    with progress() as bars:
        source = _read(options, bars)
        data = source.data
        protocol = options.protocol or usual_protocol(data)
        parts = split(data, protocol)  # type: ignore[arg-type]
        for mask in options.masks:
            check_mask(data.features, mask)
        masks = options.masks or ((*data.features, RANDOM_HALF) if data.features else ())
        left_out = {}
        cold = None
        if options.cold_items:
            try:
                cold = hold_out_items(parts, options.cold_items)
            except DatasetError as error:
                # Of a small data set the rest can still be told.
                left_out["new items"] = error.detail
        fitted = []
        for entry in chosen_entries(_entries(data.features, options), options.models):
            why = why_left_out(entry, data.items)
            if why is None:
                fitted.append(entry)
            else:
                left_out[entry.name] = why
        if not fitted:
            raise click.UsageError(f"No model is left: {left_out}")
        settings = ComparisonSettings(
            seeds=options.seeds, chosen_by=options.choose_by, masks=() if options.without_masks else masks
        )
        comparison = Comparison(
            parts, data.features, data.class_names, data.classes, settings, cold, on_progress=bars
        )
        found = comparison.run(fitted)
    return {
        "dataset": data.name,
        "protocol": protocol,
        "people": data.users,
        "items": data.items,
        "interactions": {name: int(getattr(parts, name).nnz) for name in ("train", "validation", "test")},
        "modalities": {name: int(vectors.any(axis=1).sum()) for name, vectors in data.features.items()},
        "calibrated_by": comparison.calibrated_by,
        "cold_items": None
        if cold is None
        else {
            "share": options.cold_items,
            "items": int(cold.is_cold.sum()),
            "interactions": int(cold.split.test.nnz),
        },
        "unknown_items": source.unknown_items,
        "not_encoded": list(source.refused),
        **found,
        "left_out": left_out | found["left_out"],
    }


def _given(options: _Options) -> tuple[tuple[Collection[str], dict[str, Any]], ...]:
    """Names of models that are trained, and the settings that were given for them."""
    from models.offline.registry import FUSION_NAMES, SEQUENCE_NAME

    of_any = given_settings(
        epochs=options.epochs,
        popularity=options.popularity,
        modality_dropout=options.modality_dropout,
        temperature=options.temperature,
        device=None if options.device == "cpu" else options.device,
    )
    of_fusions = given_settings(window_s=options.window_s)
    return ((*FUSION_NAMES, SEQUENCE_NAME), of_any), (FUSION_NAMES, of_fusions)


def _entries(modalities: Iterable[str], options: _Options) -> tuple[ModelEntry, ...]:
    """All models, those that are trained with the settings that were given."""
    from models.offline.registry import entries, with_settings

    known = entries(tuple(modalities))
    for names, settings in _given(options):
        known = with_settings(known, names, settings)
    return known


def _read(options: _Options, bars: Bars) -> OfflineData:
    from dataclasses import replace

    from models.datasets import is_presplit, open_dataset, read_presplit
    from workers.evaluation.offline_data import OfflineData, interaction_data

    if is_presplit(options.dataset):
        data = read_presplit(options.dataset)
        wanted = set[str](options.modalities)
        features = {name: vectors for name, vectors in data.features.items() if name in wanted}
        return OfflineData(replace(data, features=features))
    dataset = open_dataset(options.dataset)
    return interaction_data(
        dataset,
        invocation().settings(dataset.settings),
        options.modalities,
        options.classes,
        options.cache,
        lambda done, total: bars("encoding texts and media", done, total),
    )


def _show(report: dict[str, Any], *, is_json_shown: bool) -> None:
    from workers.evaluation.offline_report import grid_rows, summary, tables

    out = console(err=is_json_shown)
    out.print(
        table(
            ("model", "settings", "validation recall@20", "ndcg@20"),
            grid_rows(report),
            "Settings that were tried",
        )
    )
    for title, columns, rows in tables(report):
        out.print(table(columns, rows, f"\n{title}"))
    note(summary(report))
    for name, why in report["left_out"].items():
        note(f"left out: {name}: {why}")
    for refused in report["not_encoded"]:
        note(f"not encoded: {refused}")
