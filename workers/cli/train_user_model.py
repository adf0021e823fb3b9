"""`freshet train user-model`: a sequence model of people learned from what they do next."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from workers.cli.model_comparison import show_comparison
from workers.cli.output import console, note, table, write_json
from workers.cli.report_options import output_options
from workers.cli.training_data import (
    CHECKPOINT_FILE,
    check_before_training,
    ends_of_run,
    out_option,
    read_training_data,
    seed_option,
    source_options,
)
from workers.cli.training_options import (
    device_option,
    modality_dropout_option,
    popularity_option,
    temperature_option,
)

PROTOCOL_NAMES = ("time", "leave-one-out")
AS_SET = "default"
# By name, so that no worker imports PyTorch.
_RUN = "models.training.user_run"


@click.command("user-model")
@source_options
@out_option
@click.option(
    "--fusion",
    default=AS_SET,
    show_default=True,
    metavar="BUNDLE",
    help="Folder of the trained fusion in whose space it reads items; default: the one that settings say.",
)
@click.option(
    "--protocol",
    type=click.Choice(PROTOCOL_NAMES),
    default="time",
    show_default=True,
    help="How interactions are split into what is learned from and what is measured by.",
)
@click.option("--epochs", type=click.IntRange(min=1), default=20, show_default=True)
@popularity_option(0.0)
@modality_dropout_option(
    0.5, "The share of steps in which items lack some of their modalities, so that missing ones cost less."
)
@temperature_option(0.03)
@device_option
@click.option(
    "--new-items",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.1,
    show_default=True,
    help="The share of items to rank as new ones, by a second training without them; 0: none.",
)
@seed_option
@output_options("what the run reached", "plots")
def user_model(
    dataset: Path | None,
    from_topics: bool,
    out: Path,
    fusion: str,
    protocol: str,
    epochs: int,
    popularity: float,
    modality_dropout: float,
    temperature: float,
    device: str,
    new_items: float,
    seed: int,
    cache: Path | None,
    json_file: Path | None,
    report: Path | None,
) -> None:
    """Train a sequence model of people: what they liked next is near to where their history leads.

    Reads items by their fused vectors alone, so that an item with no event yet is scored as any other. Learns
    from the training part of the data set or of what topics hold, and is measured on its validation part
    beside the user model that settings name, the decayed mean and the person's interests. The bundle has the
    model as ONNX with a manifest; the setting `recommend.user_model` names it to workers.
    """
    check_before_training(dataset, cache, device, from_topics=from_topics, with_report=report is not None)
    settings = {
        "epochs": epochs,
        "popularity": popularity,
        "modality_dropout": modality_dropout,
        "temperature": temperature,
    }
    found = _trained(dataset, out, fusion, protocol, settings, new_items, seed, cache, device)
    if json_file is not None:
        write_json(found, json_file)
    if report is not None:
        from workers.evaluation.user_model_report import write_user_model_report

        for path in write_user_model_report(found, report):
            note(f"wrote {path}")
    shown = console(err=str(json_file) == "-")
    show_comparison(found, shown)
    columns = ("user model", "validation recall@20", "ndcg@20")
    for title, models in (("\nAll items", found["models"]), ("\nNew items", found["new_items"])):
        if models is not None:
            rows = [(name, own["recall@20"], own["ndcg@20"]) for name, own in models.items()]
            shown.print(table(columns, rows, title))
    note(f"wrote {out}: use it with -o recommend.user_model={out}")


def _trained(
    dataset: Path | None,
    out: Path,
    fusion: str,
    protocol: str,
    settings: dict[str, Any],
    new_items: float,
    seed: int,
    cache: Path | None,
    device: str,
) -> dict[str, Any]:
    from models.errors import TrainingError
    from models.evaluation.splits import split
    from workers.cli.progress import progress
    from workers.encoders_in_use import fusion_of
    from workers.evaluation.models_in_use import user_model_to_compare

    with progress() as bars:
        ends = ends_of_run(out)
        source, in_use = read_training_data(dataset, cache, bars, ends)
        if not source.encoders:
            raise TrainingError(
                f"{source.data.name} came with features of no encoder, and without times: a user model needs "
                "items.jsonl and events.jsonl"
            )
        # What serves now has the settings' fusion, also where the new model is for another one.
        bundle = in_use.fusion.bundle if fusion == AS_SET else Path(fusion)
        given = in_use.fusion.model_copy(update={"bundle": bundle})
        read_by = fusion_of(in_use.model_copy(update={"fusion": given}), source.encoders)
        found: dict[str, Any] = import_module(_RUN).train_user_model(
            split(source.data, protocol),  # type: ignore[arg-type]
            source.data.features,
            read_by,
            settings,
            seed,
            out,
            new_items,
            out / CHECKPOINT_FILE,
            bars,
            in_use=user_model_to_compare(in_use, source.encoders, read_by),
            device=device,
        )
    ends.forget()
    return {"dataset": source.data.name, **found}
