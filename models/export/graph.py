"""A PyTorch module as an ONNX file."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.errors import ExportError
from models.export.source import MAX_MODEL_BYTES

OPSET = 17
OUTPUT = "embedding"


class UnitLength(nn.Module):
    """A module's vectors [n, d] at unit length."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *inputs: Tensor) -> Tensor:
        return nn.functional.normalize(self.inner(*inputs), dim=1)


def export_graph(
    module: nn.Module, examples: Sequence[Tensor], names: Sequence[str], free: Sequence[Sequence[str]]
) -> tuple[bytes, int]:
    """The module as ONNX, and the length of its vectors.

    The exporter that follows one run of the module ("TorchScript"), as for fusions: its graphs have the opset
    that the bundled encoders have, and no operators of their own.

    Args:
        module: Tensors to vectors [n, d].
        examples: One valid batch of inputs.
        names: Of the inputs.
        free: For each input the names of its leading sizes that may vary.

    Raises:
        ExportError: The exporter cannot follow the module, or the graph is too large for one file.
    """
    whole = UnitLength(module).eval()
    axes = {name: dict(enumerate(sizes)) for name, sizes in zip(names, free, strict=True)}
    buffer = io.BytesIO()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # It warns of each value that becomes a constant; comparing with PyTorch shows whether one
            # should not.
            warnings.simplefilter("ignore")
            dimension = int(whole(*examples).shape[-1])
            torch.onnx.export(
                whole,
                tuple(examples),
                buffer,
                input_names=list(names),
                output_names=[OUTPUT],
                dynamic_axes=axes | {OUTPUT: {0: axes[names[0]][0]}},
                opset_version=OPSET,
                dynamo=False,
            )
    except Exception as error:  # whatever a network's code or the exporter raises
        raise ExportError(
            f"PyTorch cannot export the network to ONNX: {type(error).__name__}: {error}"
        ) from error
    graph = buffer.getvalue()
    if len(graph) > MAX_MODEL_BYTES:
        raise ExportError(
            f"The graph has {len(graph) / 1e9:.1f} GB; one ONNX file has {MAX_MODEL_BYTES / 1e9:g} GB."
        )
    return graph, dimension
