"""`freshet train fusion`: a fusion of modalities learned from what people take."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from workers.cli.model_comparison import show_comparison
from workers.cli.output import console, note, write_json
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
    window_option,
)

PROTOCOL_NAMES = ("official", "time", "leave-one-out")
METHODS = ("concat", "gated", "attention", "cascade")
# By name, so that no worker imports PyTorch.
_RUN = "models.training.fusion_run"


@click.command()
@source_options
@out_option
@click.option("--method", type=click.Choice(METHODS), default="gated", show_default=True)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Default: 12, or more where there are so few people that these would be fewer than 144 steps.",
)
@click.option(
    "--dimension",
    type=click.IntRange(8, 2_048),
    default=256,
    show_default=True,
    help="Of a fused vector; a multiple of 4 for attention.",
)
@click.option(
    "--protocol",
    type=click.Choice(PROTOCOL_NAMES),
    help="How interactions are split (default: the official split of a folder that has one, else by time).",
)
@window_option
@popularity_option(0.0)
@modality_dropout_option(
    0.7, "The chance of each modality of an item to be left out in a step, so that missing ones cost less."
)
@temperature_option(0.1)
@device_option
@seed_option
@output_options("what the run reached", "plots")
def fusion(
    dataset: Path | None,
    from_topics: bool,
    out: Path,
    method: str,
    epochs: int | None,
    dimension: int,
    protocol: str | None,
    window_s: float | None,
    popularity: float,
    modality_dropout: float,
    temperature: float,
    device: str,
    seed: int,
    cache: Path | None,
    json_file: Path | None,
    report: Path | None,
) -> None:
    """Train a fusion: items that the same people take come near one another.

    Learns from the training part of the data set or of what topics hold, and measures on its validation part
    beside the fusion that settings name, also with modalities taken away. The bundle has the model as ONNX
    with a manifest; the setting `fusion.bundle` names it to workers.
    """
    if method == "attention" and dimension % 4:
        raise click.BadParameter("must be a multiple of 4 for attention", param_hint="--dimension")
    check_before_training(dataset, cache, device, from_topics=from_topics, with_report=report is not None)
    settings = {
        "method": method,
        "epochs": epochs,
        "dimension": dimension,
        "window_s": window_s,
        "popularity": popularity,
        "modality_dropout": modality_dropout,
        "temperature": temperature,
    }
    found = _trained(dataset, out, protocol, settings, seed, cache, device)
    if json_file is not None:
        write_json(found, json_file)
    if report is not None:
        from workers.evaluation.fusion_report import write_fusion_report

        for path in write_fusion_report(found, report):
            note(f"wrote {path}")
    show_comparison(found, console(err=str(json_file) == "-"))
    note(f"wrote {out}: use it with -o fusion.bundle={out}")


def _trained(
    dataset: Path | None,
    out: Path,
    protocol: str | None,
    settings: dict[str, Any],
    seed: int,
    cache: Path | None,
    device: str,
) -> dict[str, Any]:
    from hashlib import sha256

    from models.evaluation.splits import split, usual_protocol
    from models.fusion import EncoderSpec
    from models.fusion.bundle import FusionInput
    from workers.cli.progress import progress
    from workers.evaluation.models_in_use import fusion_to_compare

    with progress() as bars:
        ends = ends_of_run(out)
        source, chosen = read_training_data(dataset, cache, bars, ends)
        parts = split(source.data, protocol or usual_protocol(source.data))  # type: ignore[arg-type]
        inputs = []
        for modality, rows in source.data.features.items():
            spec = source.encoders.get(modality)  # type: ignore[call-overload]
            # Features that came with a data set are of no encoder: a worker will refuse them by this name.
            name = spec.name if spec else f"{source.data.name}-features"
            digest = spec.sha256 if spec else sha256(name.encode()).hexdigest()
            inputs.append(
                FusionInput(
                    modality=modality,  # type: ignore[arg-type]
                    encoder=name,
                    encoder_sha256=digest,
                    dimension=rows.shape[1],
                )
            )
        specs = {one.modality: EncoderSpec(one.encoder, one.encoder_sha256, one.dimension) for one in inputs}
        found: dict[str, Any] = import_module(_RUN).train_fusion(
            parts.train,
            parts.validation,
            source.data.features,
            inputs,
            settings,
            seed,
            out,
            out / CHECKPOINT_FILE,
            lambda done, total: bars("training", done, total),
            in_use=fusion_to_compare(chosen, {**specs, **source.encoders}),
            histories=parts.histories,
            device=device,
        )
    ends.forget()
    return {"dataset": source.data.name, "protocol": parts.protocol, **found}
