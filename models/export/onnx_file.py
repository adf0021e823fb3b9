"""An encoder from an ONNX file of a person's own; without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.encoders.manifest import AudioPreprocessing, ImagePreprocessing, Modality, TextPreprocessing
from models.encoders.session import SessionSettings, checked_structure, known_shape, open_session
from models.errors import ExportError
from models.export.image_config import image_preprocessing
from models.export.options import only
from models.export.prepared import Prepared
from models.export.source import (
    MAX_JSON_BYTES,
    MAX_MODEL_BYTES,
    check_regular,
    inside,
    read_json,
    trusted_root,
)

Shape = tuple[int | None, ...]

# The names that exporters give to the one vector of an input, best first.
_OUTPUTS = ("embedding", "sentence_embedding", "text_embeds", "image_embeds", "audio_embeds", "pooler_output")
_FIELDS = {
    "text": TextPreprocessing.__struct_fields__,
    "image": ImagePreprocessing.__struct_fields__,
    "audio": AudioPreprocessing.__struct_fields__,
}
_INTEGER, _FLOAT, _BYTE = "tensor(int64)", "tensor(float)", "tensor(uint8)"


def prepare_onnx_file(
    path: Path, options: Mapping[str, Any] | None = None, modality: Modality | None = None
) -> Prepared:
    """Read an ONNX file, and what its inputs and the files beside it say of preprocessing.

    Beside it (or one folder above) are looked for: ``tokenizer.json`` and ``1_Pooling/config.json`` for text,
    ``preprocessor_config.json`` for pictures and sound.

    Args:
        path: The file, with its tensors inside.
        options: Fields of the manifest's `preprocessing` that go before what is found.
        modality: What it is taken for; told by its inputs where None.

    Raises:
        ExportError: It is not read, or something must be said in ``options``; the message says what.
        GraphError: Workers do not load such a graph.
    """
    given = dict(options or {})
    check_regular(path, MAX_MODEL_BYTES)
    graph = path.read_bytes()
    checked_structure(graph, str(path))
    session = open_session(graph, str(path), SessionSettings())
    inputs = {node.name: (node.type, known_shape(node.shape)) for node in session.get_inputs()}
    outputs = {node.name: known_shape(node.shape) for node in session.get_outputs()}
    if not inputs or not outputs:
        raise ExportError(f"{path} has {len(inputs)} inputs and {len(outputs)} outputs. That is no encoder.")
    output = next((name for name in _OUTPUTS if name in outputs), next(iter(outputs)))
    shape = outputs[output]
    dimension = shape[-1] if shape else None
    if dimension is None:
        raise ExportError(
            f"{path}: the length of the vectors in output `{output}` is not fixed in the graph. Export it "
            "with a "
            "fixed last size, or write its manifest by hand."
        )
    of = _modality(inputs, path)
    if modality is not None and modality != of:
        raise ExportError(f"{path} takes {of} by the types and shapes of its inputs, not {modality}.")
    only(given, [name for name in _FIELDS.get(of, ()) if name != "tokenizer"], of)
    tokenizer = None
    match of:
        case "text":
            names = _text_inputs(inputs, path)
            tokenizer, preprocessing = _text(path, given, shape)
        case "image":
            names = _only_input(inputs, path)
            preprocessing = _image(path, given, *inputs[names[0]])
        case "audio":
            names = _only_input(inputs, path)
            preprocessing = _audio(path, given, inputs[names[0]][1])
        case _:
            raise ExportError("A video encoder has no graph of its own; see docs/guide/encoders.md.")
    return Prepared(
        modality=of,
        graph=graph,
        inputs=names,
        output=output,
        dimension=dimension,
        preprocessing=preprocessing | given,
        tokenizer=tokenizer,
    )


def _modality(inputs: dict[str, tuple[str, Shape]], path: Path) -> Modality:
    kinds = {(kind, len(shape)) for kind, shape in inputs.values()}
    if kinds == {(_INTEGER, 2)}:
        return "text"
    if kinds in ({(_FLOAT, 4)}, {(_BYTE, 4)}):
        return "image"
    if kinds == {(_FLOAT, 2)}:
        return "audio"
    found = ", ".join(f"{name} {kind} of {len(shape)} dimensions" for name, (kind, shape) in inputs.items())
    raise ExportError(
        f"{path} takes {found}, which is neither text (int64 of 2 dimensions), pictures (float or uint8 "
        "of 4) nor "
        "samples of sound (float of 2). Export it so that it takes one of these."
    )


def _text_inputs(inputs: dict[str, tuple[str, Shape]], path: Path) -> tuple[str, ...]:
    """In the manifest's order: ids, attention mask, token types."""
    types = [name for name in inputs if "type" in name or "segment" in name]
    masks = [name for name in inputs if "mask" in name]
    ids = [name for name in inputs if name not in (*types, *masks)]
    if len(ids) != 1 or len(masks) > 1 or len(types) > 1 or (types and not masks):
        raise ExportError(
            f"{path} has the inputs {', '.join(inputs)}. For text it must take token ids, and may take an "
            "attention "
            "mask and token types."
        )
    return (*ids, *masks, *types)


def _only_input(inputs: dict[str, tuple[str, Shape]], path: Path) -> tuple[str, ...]:
    if len(inputs) != 1:
        raise ExportError(f"{path} has the inputs {', '.join(inputs)}; one is allowed.")
    return tuple(inputs)


def _text(path: Path, given: dict[str, Any], output: Shape) -> tuple[bytes, dict[str, Any]]:
    found = _beside(path, "tokenizer.json")
    if found is None:
        raise ExportError(f"There is no tokenizer.json beside {path}. Put that of the model there.")
    check_regular(found, MAX_JSON_BYTES)
    preprocessing: dict[str, Any] = {"pooling": "none"}
    if len(output) == 3 and "pooling" not in given:
        pooling = _config(path, "1_Pooling/config.json")
        if pooling.get("pooling_mode_mean_tokens"):
            preprocessing["pooling"] = "mean"
        elif pooling.get("pooling_mode_cls_token"):
            preprocessing["pooling"] = "first"
        else:
            raise ExportError(
                f"{path} gives a vector for each token. Say how they become one, as the model was trained: "
                '--preprocessing with {"pooling": "mean"} or {"pooling": "first"}.'
            )
    limit = _config(path, "sentence_bert_config.json").get("max_seq_length")
    limit = limit or _config(path, "tokenizer_config.json").get("model_max_length")
    if isinstance(limit, int) and 1 <= limit <= 8192:
        preprocessing["max_tokens"] = limit
    return found.read_bytes(), preprocessing


def _image(path: Path, given: dict[str, Any], kind: str, shape: Shape) -> dict[str, Any]:
    layout = "nhwc" if shape[3] == 3 else "nchw"
    sides = shape[1:3] if layout == "nhwc" else shape[2:4]
    if 3 not in (shape[1], shape[3]) and "layout" not in given:
        raise ExportError(
            f"{path} takes pictures of shape {list(shape)}, where no size is 3, for red, green and blue. "
            "Say which "
            'is: --preprocessing with {"layout": "nchw"} or {"layout": "nhwc"}.'
        )
    if sides[0] != sides[1]:
        raise ExportError(
            f"{path} takes pictures of {sides[0]} by {sides[1]} pixels, and pictures are squares here."
        )
    found: dict[str, Any] = {"layout": layout, "dtype": "uint8" if kind == _BYTE else "float32"}
    config = _config(path, "preprocessor_config.json")
    if config:
        found = image_preprocessing(config, "preprocessor_config.json")[0] | found
    elif kind == _FLOAT and not {"mean", "std"} <= given.keys():
        raise ExportError(
            f"There is no preprocessor_config.json beside {path}. Say what it takes away from pixels in "
            "[0, 1] and "
            'divides them by: --preprocessing with {"mean": [0, 0, 0], "std": [1, 1, 1]} for neither.'
        )
    if sides[0] is not None:
        found["size_px"] = sides[0]
    elif "size_px" not in found | given:
        raise ExportError(
            f'{path} takes pictures of any size. Say which: --preprocessing with {{"size_px": 224}}.'
        )
    return found


def _audio(path: Path, given: dict[str, Any], shape: Shape) -> dict[str, Any]:
    rate = given.get("sample_rate_hz", _config(path, "preprocessor_config.json").get("sampling_rate"))
    window = given.get("window_samples", shape[1])
    if rate is None or window is None:
        raise ExportError(
            f"The rate of the sound that {path} takes, or the length of a window, is not known. Say both: "
            '--preprocessing with {"sample_rate_hz": 16000, "window_samples": 80000}.'
        )
    return {"sample_rate_hz": rate, "window_samples": window, "hop_samples": window}


def _config(path: Path, name: str) -> dict[str, Any]:
    found = _beside(path, name)
    read = read_json(found) if found is not None else None
    return read if isinstance(read, dict) else {}


def _beside(path: Path, name: str) -> Path | None:
    for folder in (path.parent, path.parent.parent):
        found = folder / name
        if found.exists():
            if not inside(found, trusted_root(folder)):
                raise ExportError(
                    f"{found} is a link to {found.resolve()}, outside its folder. Copy the file, if it is "
                    "meant."
                )
            return found
    return None
