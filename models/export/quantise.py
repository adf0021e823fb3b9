"""Weights in eight bits."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from pathlib import Path

import models.onnx_runtime  # noqa: F401  It is to be imported before onnxruntime.
from models.errors import ExportError

_OPERATORS = ["MatMul", "Gather"]


def quantise(graph: bytes) -> bytes:
    """The graph with matrices and embedding tables in int8, a scale for each channel.

    Dynamic quantisation by ONNX Runtime: activations get their scale at each run. Convolutions stay as they
    are, because in int8 they are slower on a processor.

    Raises:
        ExportError: The package onnx is missing, or the graph cannot be quantised or has nothing to quantise.
    """
    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic  # type: ignore[import-untyped]
    except ImportError as error:
        raise ExportError("--int8 needs the package onnx: pip install 'freshet[export]'") from error
    logging.getLogger().addFilter(_without_advice)
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            out = Path(folder) / "int8.onnx"
            quantize_dynamic(
                onnx.load_from_string(graph),
                out,
                op_types_to_quantize=_OPERATORS,
                per_channel=True,
                weight_type=QuantType.QInt8,
            )
            made = out.read_bytes()
    except Exception as error:  # ONNX Runtime raises whatever its steps run into
        raise ExportError(f"The graph cannot be quantised: {error}. Leave --int8 out.") from error
    finally:
        logging.getLogger().removeFilter(_without_advice)
    if len(made) >= len(graph):
        raise ExportError(
            "Quantising does not make the graph smaller: it has hardly any matrix product with fixed "
            "weights. Leave --int8 out."
        )
    return made


def _without_advice(record: logging.LogRecord) -> bool:
    """ONNX Runtime advises to preprocess, which matters for convolutions."""
    return "pre-processing before quantization" not in record.getMessage()
