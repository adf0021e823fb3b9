"""The folder of a model, looked over before any library reads it.

A folder from elsewhere is not trusted: nothing outside it is read through a link, no pickle is opened,
no code of its own is run, and sizes are bounded before memory is taken.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import ExportError

MAX_MODEL_BYTES = 2_000_000_000
"""A graph with its tensors inside is one protobuf message, which may have 2 GiB."""
MAX_JSON_BYTES = 64 << 20
MAX_FILES = 10_000
MAX_LAYERS = 256

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
_LAYERS = re.compile(
    r"^(num_(\w+_)?layers|n_layers?|num_(\w+_)?blocks|depths?|encoder_layers|decoder_layers)$"
)


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder that has passed `open_folder`.

    Attributes:
        folder: Where it is.
        config: What its ``config.json`` says.
        licence: Of its model card, empty where there is none.
    """

    folder: Path
    config: dict[str, Any] = field(repr=False)
    licence: str

    @property
    def model_type(self) -> str:
        """The architecture, by transformers' name."""
        return str(self.config.get("model_type", ""))

    def json(self, name: str) -> Any:
        """A JSON file of the folder; None where it is not there. Raises ExportError."""
        path = self.folder / name
        return read_json(path) if path.is_file() else None


def open_folder(folder: Path) -> ModelFolder:
    """Look a model's folder over.

    Raises:
        ExportError: It holds no model, or one that is not loaded here; the message says why.
    """
    if not folder.is_dir():
        raise ExportError(f"{folder} is no folder. Name a folder with {CONFIG_FILE} and {WEIGHTS_FILE}.")
    _check_files(folder)
    config = read_json(folder / CONFIG_FILE) if (folder / CONFIG_FILE).is_file() else None
    if not isinstance(config, dict) or not config.get("model_type"):
        raise ExportError(
            f"{folder} has no {CONFIG_FILE} that names a `model_type`. Name the folder of a model in the "
            "format "
            "of Hugging Face's transformers, or an .onnx file."
        )
    _check_weights(folder)
    for name in (CONFIG_FILE, "tokenizer_config.json", "preprocessor_config.json"):
        found = read_json(folder / name) if (folder / name).is_file() else None
        if isinstance(found, dict) and "auto_map" in found:
            raise ExportError(
                f"{folder / name} asks to run code that the model brings along (`auto_map`), which is not "
                "done. "
                "Choose a model of an architecture that transformers has itself, or export it to ONNX "
                "yourself."
            )
    chosen = next(iter(_implementations(config)), None)
    if chosen is not None:
        # Some releases of transformers fetch and run what is named there.
        raise ExportError(f"{folder / CONFIG_FILE} asks for code from a hub ({chosen}), which is not run.")
    if "quantization_config" in config:
        raise ExportError(
            f"{folder} holds quantised weights. Name the original; --int8 quantises the export."
        )
    _check_layers(config, folder / CONFIG_FILE)
    return ModelFolder(folder, config, _licence(folder))


def _implementations(config: Any) -> Iterator[str]:
    """Implementations from a hub, such as `someone/kernels`, that a configuration chooses at any depth."""
    if isinstance(config, dict):
        for name, value in config.items():
            if "_implementation" in name and isinstance(value, str) and "/" in value:
                yield value
            yield from _implementations(value)
    elif isinstance(config, list):
        for value in config:
            yield from _implementations(value)


def read_json(path: Path) -> Any:
    """The JSON in a file. Raises ExportError where there is none, or too much."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ExportError(f"{path} is over {MAX_JSON_BYTES >> 20} MiB: that is no configuration.")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ExportError(f"{path} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path} is not valid JSON: {error}.") from error


def check_regular(path: Path, max_bytes: int) -> int:
    """The size of a plain file in bytes.

    Raises:
        ExportError: It is not there, no plain file, or over ``max_bytes``.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise ExportError(f"{path} cannot be read ({error.strerror}).") from error
    if not stat.S_ISREG(found.st_mode):
        raise ExportError(f"{path} is no plain file.")
    if found.st_size > max_bytes:
        raise ExportError(
            f"{path} has {found.st_size / 1e9:.1f} GB; at most {max_bytes / 1e9:g} GB are read. A model "
            "that is "
            "larger does not fit into one ONNX file."
        )
    return found.st_size


def inside(path: Path, root: Path) -> bool:
    """Whether ``path``, with every link followed, lies in ``root``."""
    return path.resolve().is_relative_to(root.resolve())


def trusted_root(folder: Path) -> Path:
    """Where links in a model's folder may lead to.

    Itself; or, for a download in the cache of Hugging Face's own client, which links to files beside it, that
    model's part of the cache.
    """
    for one in (folder, *folder.parents[:2]):
        if one.parent.name == "snapshots" and one.parent.parent.name.startswith("models--"):
            return one.parent.parent
    return folder


def _check_files(folder: Path) -> None:
    root = trusted_root(folder)
    for count, path in enumerate(_paths(folder)):
        if count >= MAX_FILES:
            raise ExportError(f"{folder} holds more than {MAX_FILES} files. Name the folder of one model.")
        if path.is_symlink() and not inside(path, root):
            raise ExportError(
                f"{path} is a link to {path.resolve()}, outside the model's folder. Copy the file, if it "
                "is meant."
            )
        if not path.is_dir():
            check_regular(path, MAX_MODEL_BYTES if path.name == WEIGHTS_FILE else 1 << 60)


def _paths(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(root) / name


def _check_weights(folder: Path) -> None:
    if (folder / "adapter_config.json").exists():
        raise ExportError(f"{folder} holds an adapter, not a model. Merge it into its model, and save that.")
    if (folder / WEIGHTS_FILE).is_file():
        return
    if (folder / f"{WEIGHTS_FILE}.index.json").exists():
        raise ExportError(
            f"The weights in {folder} are in several files. Only models with one {WEIGHTS_FILE} are read: "
            "larger "
            "ones do not fit into one ONNX file."
        )
    others = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLES)
    if others:
        raise ExportError(
            f"{folder} has its weights as {', '.join(others)}, which may run code when they are opened. Only "
            f"{WEIGHTS_FILE} is read: save the model with `safe_serialization=True`."
        )
    raise ExportError(f"{folder} has no {WEIGHTS_FILE}.")


def _check_layers(config: dict[str, Any], where: Path) -> None:
    """Building a network takes time for each of its layers, before weights are compared with it."""
    for name, value in config.items():
        if isinstance(value, dict):
            _check_layers(value, where)
        elif _LAYERS.match(name):
            counts = value if isinstance(value, list) else [value]
            if any(isinstance(one, int) and one > MAX_LAYERS for one in counts):
                raise ExportError(f"{where}: `{name}` is {value}; at most {MAX_LAYERS} layers are built.")


def _licence(folder: Path) -> str:
    """``license`` of the model card's front matter."""
    card = folder / "README.md"
    if not card.is_file():
        return ""
    with card.open("rb") as file:
        head = file.read(1 << 16).decode("utf-8", "replace")
    found = re.match(r"\A---\r?\n(.*?)^---", head, re.DOTALL | re.MULTILINE)
    line = found and re.search(r"^license:[ \t]*['\"]?([\w.+-]{1,64})", found[1], re.MULTILINE)
    return line[1] if line else ""
