"""The ONNX graph of word-piece vectors, summed, and a small network over the sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.training.common import IR_VERSION, OPSET, Floats
from models.training.word_rows import GRAPH_NAME, SCALE, TABLE, quantised_rows


@dataclass(frozen=True, slots=True)
class Refinement:
    """A layer that refines a summed text: float32 w1 [d, h], b1 [h], w2 [h, d]."""

    w1: Floats
    b1: Floats
    w2: Floats


def text_graph(table: Floats, refinement: Refinement, mean: Floats) -> onnx.ModelProto:
    """``ids``, ``mask`` int64 [batch, tokens] to ``embedding`` float32 [batch, d], unit length or zeros.

    ``x = n(sum_t mask_t scale[id_t] table8[id_t])``, ``v = n(n(x + w2ᵀ gelu(w1ᵀ x + b1)) - mean)``.
    ``table`` [vocabulary, d] is kept as int8, a scale a row. Weights of words are the lengths of their rows,
    so nothing has to be divided before normalising. A text without a known word has no x, and gives zeros.
    """
    quantised, scale = quantised_rows(table)
    dimension = table.shape[1]
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows8"], axis=0),
        helper.make_node("Cast", ["rows8"], ["rows"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["scale", "ids"], ["scales"], axis=0),
        helper.make_node("Cast", ["mask"], ["present"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["scales", "present"], ["weights"]),
        helper.make_node("Unsqueeze", ["weights", "axis_1"], ["weight_rows"]),
        helper.make_node("MatMul", ["weight_rows", "rows"], ["summed"]),
        helper.make_node("Squeeze", ["summed", "axis_1"], ["sum"]),
        *_unit_nodes("sum", "x"),
        helper.make_node("MatMul", ["x", "w1"], ["wide"]),
        helper.make_node("Add", ["wide", "b1"], ["before"]),
        # gelu(a) = a / 2 · (1 + erf(a / √2))
        helper.make_node("Mul", ["before", "root_half"], ["scaled"]),
        helper.make_node("Erf", ["scaled"], ["erf"]),
        helper.make_node("Add", ["erf", "one"], ["twice_gate"]),
        helper.make_node("Mul", ["before", "twice_gate"], ["twice_hidden"]),
        helper.make_node("Mul", ["twice_hidden", "half"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "w2"], ["change"]),
        helper.make_node("Add", ["x", "change"], ["refined"]),
        *_unit_nodes("refined", "unit"),
        helper.make_node("Sub", ["unit", "mean"], ["centred"]),
        *_unit_nodes("centred", "direction"),
        helper.make_node("Greater", ["x_length", "tiny"], ["is_said"]),
        helper.make_node("Cast", ["is_said"], ["said"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["direction", "said"], ["embedding"]),
    ]
    constants = {
        TABLE: quantised,
        SCALE: scale,
        "w1": refinement.w1.astype(np.float32),
        "b1": refinement.b1.astype(np.float32),
        "w2": refinement.w2.astype(np.float32),
        "mean": mean.astype(np.float32),
        "axis_1": np.array([1], np.int64),
        "tiny": np.array([1e-9], np.float32),
        "root_half": np.array([np.sqrt(0.5)], np.float32),
        "one": np.array([1.0], np.float32),
        "half": np.array([0.5], np.float32),
    }
    shape = ["batch", "tokens"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("ids", "mask")]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", dimension])
    graph = helper.make_graph(
        nodes,
        GRAPH_NAME,
        inputs,
        [output],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="freshet"
    )


def _unit_nodes(given: str, name: str) -> list[onnx.NodeProto]:
    """``name`` is ``given`` at unit length, or zeros; ``name``_length its length before."""
    return [
        helper.make_node("ReduceL2", [given], [f"{name}_length"], axes=[1], keepdims=1),
        helper.make_node("Max", [f"{name}_length", "tiny"], [f"{name}_divisor"]),
        helper.make_node("Div", [given, f"{name}_divisor"], [name]),
    ]
