"""A model's files from the Hugging Face hub: those that are read, and no more."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any

from models.errors import ExportError
from models.export.source import MAX_JSON_BYTES, MAX_MODEL_BYTES

_WANTED = (
    "*.json",
    "*/config.json",
    "model.safetensors",
    "*/model.safetensors",
    "README.md",
    "*.txt",
    "*.model",
)
_UNWANTED = ("onnx/*", "openvino/*", "*.index.json")


def fetch_model(name: str, revision: str | None = None, endpoint: str | None = None) -> tuple[Path, str]:
    """Download a model, or find it in the cache of Hugging Face's client.

    Args:
        name: ``organisation/model``.
        revision: A branch, a tag or a commit; the main branch where None.
        endpoint: The hub; `HF_ENDPOINT`, or the public one, where None.

    Returns:
        Its folder, and the commit.

    Raises:
        ExportError: There is no such model, it is not reachable, too large, or has nothing that is read here.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise ExportError(
            "The hub needs the package huggingface_hub: pip install 'freshet[export]'"
        ) from error
    hub = HfApi(endpoint=endpoint)
    try:
        info = hub.model_info(name, revision=revision, files_metadata=True)
        files = [entry for entry in info.siblings or [] if _is_wanted(entry.rfilename)]
        _check(name, files)
        folder = hub.snapshot_download(
            name, revision=info.sha, allow_patterns=[entry.rfilename for entry in files]
        )
    except ExportError:
        raise
    except Exception as error:  # the client's own errors, those of HTTP below it, and those of the disk
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ExportError(
            f"{name} cannot be fetched from the hub: {first_line} Check the name (`organisation/model`), "
            "or name a "
            "folder that holds the model."
        ) from error
    return Path(folder), str(info.sha)


def _is_wanted(file: str) -> bool:
    return any(fnmatch.fnmatch(file, pattern) for pattern in _WANTED) and not any(
        fnmatch.fnmatch(file, pattern) for pattern in _UNWANTED
    )


def _check(name: str, files: list[Any]) -> None:
    weights = [entry for entry in files if entry.rfilename == "model.safetensors"]
    if not weights:
        raise ExportError(
            f"{name} has no model.safetensors, in one file. Formats that may run code when they are "
            "opened are not "
            "read, and weights in several files do not fit into one ONNX file."
        )
    for entry in files:
        limit = MAX_MODEL_BYTES if entry.rfilename.endswith(".safetensors") else MAX_JSON_BYTES
        if (entry.size or 0) > limit:
            raise ExportError(
                f"{name}: {entry.rfilename} has {entry.size / 1e9:.1f} GB; {limit / 1e9:g} GB at most."
            )
