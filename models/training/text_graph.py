"""The ONNX graph of static word-piece vectors."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.training.common import IR_VERSION, OPSET, Floats


def text_graph(table: Floats) -> onnx.ModelProto:
    """``ids``, ``mask`` int64 [batch, tokens] to ``embedding`` float32 [batch, d], unit length or zeros.

    v = n(sum_t mask_t scale[id_t] table8[id_t]); ``table`` [vocabulary, d] is kept as int8, a scale a row.
    Weights of words are the lengths of their rows, so nothing has to be divided before normalising.
    """
    scale = np.maximum(np.abs(table).max(axis=1), 1e-12) / 127
    quantised = np.round(table / scale[:, None]).astype(np.int8)
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
        helper.make_node("ReduceL2", ["sum"], ["length"], axes=[1], keepdims=1),
        helper.make_node("Max", ["length", "tiny"], ["divisor"]),
        helper.make_node("Div", ["sum", "divisor"], ["embedding"]),
    ]
    constants = {
        "table": quantised,
        "scale": scale.astype(np.float32),
        "axis_1": np.array([1], np.int64),
        "tiny": np.array([1e-9], np.float32),
    }
    shape = ["batch", "tokens"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("ids", "mask")]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", dimension])
    graph = helper.make_graph(
        nodes,
        "text-static",
        inputs,
        [output],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="freshet"
    )
