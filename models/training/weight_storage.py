"""Weights of an ONNX graph, stored in fewer bits than they are computed in.

The graph itself makes float32 of them again, by operators that ONNX Runtime runs once, when a session is made
(constant folding): a session computes as before, at the same rate. It does not fold DequantizeLinear, so int8
is undone by Cast and Mul, as in the graph of the text encoder.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from models.training.fourier import computed_basis, fourier_basis

Storage = Literal["float32", "float16", "int8"]
STORAGES: Final[tuple[Storage, ...]] = get_args(Storage)

# What the operators around smaller ones would take outweighs what they would save.
_LEAST_WEIGHTS: Final = 1024
# A channel of zeros has a scale, too.
_LEAST_SCALE: Final = 1e-12


def store_weights(model: onnx.ModelProto, storage: Storage) -> onnx.ModelProto:
    """A copy of the model with its large weights stored otherwise.

    Args:
        model: Its weights are initializers, in float32; others are left as they are.
        storage: ``float16``, rounded to the nearest; ``int8``, round(w / s) with a scale s = max |w| / 127
            for each output channel of the operator that a weight belongs to (for the whole weight, where that
            is none of Conv, Gemm, MatMul and GRU); ``float32`` is a plain copy. A Fourier transform is
            learned by nobody: but for ``float32`` it is not stored, the graph computes it.
    """
    stored = onnx.ModelProto()
    stored.CopyFrom(model)
    if storage == "float32":
        return stored
    graph, basis = stored.graph, fourier_basis()
    kept: list[TensorProto] = []
    decoders: list[NodeProto] = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < _LEAST_WEIGHTS:
            kept.append(weight)
            continue
        if values.shape == basis.shape and np.allclose(values, basis, rtol=0, atol=1e-6):
            tensors, nodes = computed_basis(weight.name)
        elif storage == "float16":
            tensors, nodes = _as_float16(weight.name, values)
        else:
            tensors, nodes = _as_int8(weight.name, values, _channel_axes(model.graph, weight.name))
        kept += tensors
        decoders += nodes
    nodes_after = [*decoders, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes_after)
    return stored


def _as_float16(name: str, values: NDArray[np.float32]) -> tuple[list[TensorProto], list[NodeProto]]:
    half = numpy_helper.from_array(values.astype(np.float16), f"{name}_16")
    return [half], [helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT)]


def _as_int8(
    name: str, values: NDArray[np.float32], channels: tuple[int, ...]
) -> tuple[list[TensorProto], list[NodeProto]]:
    others = tuple(axis for axis in range(values.ndim) if axis not in channels)
    largest = np.maximum(np.abs(values).max(axis=others, keepdims=True), _LEAST_SCALE)
    scale = (largest / 127).astype(np.float32)
    small = numpy_helper.from_array(np.round(values / scale).astype(np.int8), f"{name}_8")
    factor = numpy_helper.from_array(scale, f"{name}_scale")
    return [small, factor], [
        helper.make_node("Cast", [small.name], [f"{name}_wide"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}_wide", factor.name], [name]),
    ]


def _channel_axes(graph: onnx.GraphProto, name: str) -> tuple[int, ...]:
    """The axes of a weight along which its operator's output channels lie."""
    for node in graph.node:
        if name not in node.input:
            continue
        match node.op_type:
            case "Conv":
                return (0,)
            case "Gemm":
                transposed = any(one.name == "transB" and one.i for one in node.attribute)
                return (0,) if transposed else (1,)
            case "MatMul":
                return (1,)
            case "GRU":
                return (0, 1)
    return ()
