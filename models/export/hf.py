"""Loads a model with transformers: from a folder that was looked over, in float32, and only as a whole."""

from __future__ import annotations

import os
from typing import Any

import torch

from models.errors import ExportError
from models.export.source import MAX_MODEL_BYTES, ModelFolder

_FLOAT_BYTES = 4


def load_config(source: ModelFolder) -> Any:
    """transformers' configuration of the model.

    Raises:
        ExportError: It does not know the architecture.
    """
    from transformers import AutoConfig

    _quieten()
    try:
        return AutoConfig.from_pretrained(source.folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever its many configurations raise
        raise ExportError(
            f"transformers does not read {source.folder / 'config.json'} (`model_type` {source.model_type}): "
            f"{_first_line(error)}"
        ) from error


def model_class(config: Any) -> Any:
    """The class of the bare network, without a head. Raises ExportError where there is none."""
    from transformers import MODEL_MAPPING

    if type(config) not in MODEL_MAPPING:
        raise ExportError(f"transformers has no network without a head for {config.model_type}.")
    found = MODEL_MAPPING[type(config)]
    return found[0] if isinstance(found, tuple) else found


def load_model(source: ModelFolder) -> tuple[Any, frozenset[str]]:
    """The network in float32, ready to run, and the names of its parameters for which there are no weights.

    Only a pooling layer may lack weights: it is then not used. Attention is computed step by step ("eager"),
    which is what the exporter can follow.

    Raises:
        ExportError: It cannot be loaded, lacks weights, or is too large for one ONNX file.
    """
    from transformers import AutoModel

    config = load_config(source)
    try:
        # Without memory: a configuration may ask for any size.
        with torch.device("meta"):
            count = sum(
                one.numel() for one in AutoModel.from_config(config, attn_implementation="eager").parameters()
            )
    except Exception as error:
        raise ExportError(f"{source.folder}: the network cannot be built: {_first_line(error)}") from error
    if count * _FLOAT_BYTES > MAX_MODEL_BYTES:
        raise ExportError(
            f"{source.folder} describes a network of {count:,} parameters; at most "
            f"{MAX_MODEL_BYTES // _FLOAT_BYTES:,} fit into one ONNX file."
        )
    try:
        model, info = AutoModel.from_pretrained(
            source.folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            attn_implementation="eager",
            output_loading_info=True,
        )
    except Exception as error:
        raise ExportError(f"transformers cannot load {source.folder}: {_first_line(error)}") from error
    missing = frozenset(info["missing_keys"])
    needed = sorted(name for name in missing if "pooler" not in name)
    if needed or info["mismatched_keys"]:
        raise ExportError(
            f"The weights in {source.folder} lack {len(needed)} parameters of the network, "
            f"{', '.join(needed[:3])} "
            "among them: they are of another network."
        )
    return model.float().eval(), missing


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _quieten() -> None:
    """Its warnings and bars are about training and downloads; what matters is said by errors here."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
