"""A Hugging Face model, from the hub or a folder, as encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from models.encoders.manifest import Modality
from models.errors import ExportError
from models.export.audio import prepare_audio
from models.export.hf import load_config, model_class
from models.export.image import prepare_image
from models.export.prepared import Prepared
from models.export.source import ModelFolder, open_folder
from models.export.text import prepare_sentences, prepare_text_tower

_BY_INPUT: dict[str, Modality] = {
    "input_ids": "text",
    "pixel_values": "image",
    "input_values": "audio",
    "input_features": "audio",
}


def prepare_model(
    folder: Path,
    options: Mapping[str, Any] | None = None,
    modality: Modality | None = None,
    on_step: Callable[[str], None] = lambda what: None,
) -> tuple[ModelFolder, list[Prepared]]:
    """Export the network in a folder: one encoder, or the image and the text tower of a CLIP-like model.

    Args:
        folder: In the format of transformers, weights as ``model.safetensors``.
        options: Fields of the manifest's `preprocessing` to be chosen; which, depends on the modality.
        modality: Of two towers only this one.
        on_step: Told what is being done.

    Raises:
        ExportError: It cannot be exported; the message says why.
    """
    source = open_folder(folder)
    network = model_class(load_config(source))
    given = dict(options or {})
    has_towers = hasattr(network, "get_image_features") and hasattr(network, "get_text_features")
    own = ["image", "text"] if has_towers else [_BY_INPUT.get(str(network.main_input_name), "nothing here")]
    if modality is not None and modality not in own:
        raise ExportError(f"{folder} encodes {' and '.join(own)}, not {modality}.")
    if has_towers and modality is None and given:
        raise ExportError("The model has two towers. Say of which --preprocessing is, with --modality.")
    made = []
    for one in [modality] if modality else own:
        on_step(f"exporting {one}")
        match one:
            case "text":
                made.append((prepare_text_tower if has_towers else prepare_sentences)(source, given))
            case "image":
                made.append(prepare_image(source, given))
            case "audio":
                made.append(prepare_audio(source, given))
            case _:
                raise ExportError(f"{folder} takes {network.main_input_name}: none of text, image and audio.")
    return source, made
