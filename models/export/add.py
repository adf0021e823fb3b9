"""From a source to encoders in a folder: all of them, or none."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from models.errors import ExportError
from models.export.onnx_file import prepare_onnx_file
from models.export.prepared import About, Added, AddRequest, Prepared
from models.export.source import open_folder
from models.export.writing import encoder_name, require_free, write_encoder

_NEEDED = {
    "torch": "torch",
    "transformers": "transformers",
    "onnx": "onnx",
    "sentence_transformers": "sentence-transformers",
}
_HUB_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*(/[\w.-]+)?$")

OnStep = Callable[[str], None]


def add_encoders(request: AddRequest, on_step: OnStep = lambda what: None) -> list[Added]:
    """Export, check, measure and write; nothing is written where anything is wrong.

    Raises:
        ExportError: The source cannot be made an encoder; the message says why.
        ManifestError: The graph is not one that workers load.
    """
    name = encoder_name(request.name or Path(request.source).name.removesuffix(".onnx"))
    if request.name is not None and request.name != name:
        raise ExportError(f"An encoder cannot be named {request.name!r}; {name!r} can.")
    require_free(name, request.out)
    if request.source.endswith(".onnx"):
        path = Path(request.source)
        on_step(f"reading {path.name}")
        made = [prepare_onnx_file(path, request.options, request.modality)]
        source, licence, kind = path.name, "", "An ONNX file."
    else:
        made, source, licence, kind = _exported(request, on_step)
    if len(made) > 1 and request.sample is not None:
        raise ExportError("The model has two towers. Say of which --sample holds items, with --modality.")
    smaller: Callable[[bytes], bytes] | None = None
    if request.int8:
        from models.export.quantise import quantise

        smaller = quantise
    added: list[Added] = []
    try:
        for one in made:
            about = About(
                name=name if len(made) == 1 else encoder_name(f"{name[:56]}-{one.modality}"),
                source=source,
                licence=request.licence or licence or "not stated",
                description=f"{kind}{' Weights in int8.' if request.int8 else ''}",
            )
            added.append(
                write_encoder(
                    one, about, request.out, quantise=smaller, sample=request.sample, on_step=on_step
                )
            )
    except BaseException:
        for before in added:
            shutil.rmtree(before.folder, ignore_errors=True)
        raise
    return added


def _exported(request: AddRequest, on_step: OnStep) -> tuple[list[Prepared], str, str, str]:
    """What was exported, and of it: where it is from, its licence, what it is."""
    folder, source = Path(request.source).expanduser(), Path(request.source).name
    if not folder.exists():
        if request.source.startswith((".", "/", "~")) or not _HUB_NAME.match(request.source):
            raise ExportError(
                f"There is no {folder}. Name a folder, an .onnx file, or a model as `organisation/model`."
            )
    elif not folder.is_dir():
        raise ExportError(f"{folder} is neither a folder nor an .onnx file.")
    else:
        open_folder(folder)  # before PyTorch is loaded, which takes seconds
    missing = [package for module, package in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise ExportError(f"Exporting a model needs {', '.join(missing)}: pip install 'freshet[export]'")
    if not folder.exists():
        from models.export.hub import fetch_model

        on_step(f"fetching {request.source}")
        folder, commit = fetch_model(request.source, request.revision)
        source = f"{request.source}@{commit}"
    from models.export.model import prepare_model

    found, made = prepare_model(folder, request.options, request.modality, on_step)
    return made, source, found.licence, f"Exported from transformers, architecture {found.model_type}."
