"""`freshet encoders add`: a model of others as an encoder of this deployment."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workers.cli.encoder_options import encoders_out_option, show_encoder_settings
from workers.cli.output import console, note, print_json, table
from workers.cli.progress import progress

if TYPE_CHECKING:
    from models.encoders.manifest import Modality
    from models.export.prepared import Added

# By name, so that no worker imports PyTorch.
_ADD = "models.export.add"


@click.command()
@click.argument("source")
@encoders_out_option
@click.option("--name", metavar="NAME", help="Of the encoder; by default that of the model.")
@click.option(
    "--modality",
    type=click.Choice(("text", "image", "audio")),
    help="Of a model with two towers only this one.",
)
@click.option(
    "--int8", is_flag=True, help="Quantise to about a quarter of the size; what it costs is measured."
)
@click.option(
    "--sample",
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="Items of yours: a file with a text or an item as JSON on each line, or a folder of pictures or "
    "sounds. The encoder is compared on them, and centred on their mean.",
)
@click.option(
    "--preprocessing",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A JSON object with what the model does not say itself, as in a manifest's `preprocessing`.",
)
@click.option("--licence", metavar="NAME", help="By default that of the model card.")
@click.option("--revision", metavar="REVISION", help="A branch, tag or commit of a model on the hub.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
def add(
    source: str,
    out: Path,
    name: str | None,
    modality: Modality | None,
    int8: bool,
    sample: Path | None,
    preprocessing: Path | None,
    licence: str | None,
    revision: str | None,
    as_json: bool,
) -> None:
    """Make an encoder of SOURCE: a model of the Hugging Face hub, a folder of one, or an ONNX file.

    A model is exported to ONNX with its preprocessing, and written only if the graph gives the vectors that
    PyTorch gives. Text: sentence transformers, and networks like BERT. Pictures: ViT, DINO and the like. CLIP
    and SigLIP: both towers. Sound: Audio Spectrogram Transformers. Needs the extra `export`; an ONNX file
    does not.
    """
    from models.export.prepared import AddRequest

    request = AddRequest(
        source=source,
        out=out,
        name=name,
        modality=modality,
        options=_options(preprocessing),
        int8=int8,
        sample=sample,
        licence=licence,
        revision=revision,
    )
    with progress() as bars:
        latest: list[str] = []

        def step(what: str) -> None:
            for before in latest:
                bars(before, 1, 1)
            latest[:] = [what]
            bars(what, 0, 1)

        added: list[Added] = import_module(_ADD).add_encoders(request, step)
        for before in latest:
            bars(before, 1, 1)
    if as_json:
        print_json([{"folder": str(one.folder), **_fields(one)} for one in added])
        return
    rows = [
        (
            one.name,
            one.modality,
            one.dimension,
            f"{one.size_bytes / 1e6:.1f} MB",
            one.licence,
            "\n".join(f"{what} {figure.value:g} ({figure.dataset})" for what, figure in one.quality.items()),
        )
        for one in added
    ]
    console().print(table(("encoder", "modality", "dimension", "size", "licence", "measured"), rows))
    for one in added:
        if one.note:
            note(f"{one.name}: {one.note}")
    show_encoder_settings(out, {one.modality: one.name for one in added})


def _options(path: Path | None) -> dict[str, Any]:
    from models.errors import ExportError
    from models.export.source import read_json

    if path is None:
        return {}
    found = read_json(path)
    if not isinstance(found, dict):
        raise ExportError(f"{path} holds no JSON object.")
    return found


def _fields(one: Added) -> dict[str, Any]:
    return {
        "name": one.name,
        "modality": one.modality,
        "dimension": one.dimension,
        "size_bytes": one.size_bytes,
        "licence": one.licence,
        "quality": one.quality,
        "note": one.note,
    }
