"""The few facts about an ONNX file that must be known before ONNX Runtime may see it.

Reads the protobuf wire format directly, because the ``onnx`` package is no dependency of a worker. Field
numbers are those of ``onnx.proto`` (ONNX IR version 3 and later, stable by ONNX's rules on compatibility).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from models.errors import GraphError

_MAX_DEPTH = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# message -> field number -> message to descend into
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 9: "opset"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_NODE_DOMAIN, _FUNCTION_DOMAIN = 7, 10
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION, _EXTERNAL = 13, 14, 1


@dataclass(slots=True)
class OnnxStructure:
    """``opset`` of the default domain, the ``domains`` its nodes use beyond functions of its own, and whether
    it keeps tensors in other files."""

    opset: int = 0
    domains: set[str] = field(default_factory=set)
    external_data: bool = False
    own_functions: set[str] = field(default_factory=set)


def read_structure(data: bytes, where: str) -> OnnxStructure:
    """Walks every node and tensor of an ONNX model, subgraphs and functions included.

    Raises:
        GraphError: the bytes are no ONNX model.
    """
    structure = OnnxStructure()
    try:
        _walk(memoryview(data), "model", structure, 0)
    except (IndexError, ValueError, UnicodeDecodeError) as error:
        raise GraphError(f"{where} is not an ONNX model: {error}. Export it again.") from error
    if structure.opset == 0:
        raise GraphError(f"{where} is not an ONNX model: it declares no opset. Export it again.")
    structure.domains -= structure.own_functions
    return structure


def _walk(message: memoryview, kind: str, structure: OnnxStructure, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError(f"nested deeper than {_MAX_DEPTH} levels")
    children = _CHILDREN.get(kind, {})
    domain, version = "", 0
    for number, value in _fields(message):
        if isinstance(value, int):
            if kind == "tensor" and number == _TENSOR_DATA_LOCATION and value == _EXTERNAL:
                structure.external_data = True
            elif kind == "opset" and number == 2:
                version = value
        elif number in children:
            _walk(value, children[number], structure, depth + 1)
        elif kind == "tensor" and number == _TENSOR_EXTERNAL_DATA:
            structure.external_data = True
        elif kind == "node" and number == _NODE_DOMAIN:
            structure.domains.add(str(value, "utf-8"))
        elif kind == "function" and number == _FUNCTION_DOMAIN:
            structure.own_functions.add(str(value, "utf-8"))
        elif kind == "opset" and number == 1:
            domain = str(value, "utf-8")
    if kind == "opset" and domain in ("", "ai.onnx"):
        structure.opset = max(structure.opset, version)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    position, end = 0, len(message)
    while position < end:
        key, position = _varint(message, position)
        number, wire_type = key >> 3, key & 7
        if number == 0:
            raise ValueError("a protobuf field has number 0")
        if wire_type == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire_type == _BYTES:
            length, position = _varint(message, position)
        elif wire_type in (_FIXED64, _FIXED32):
            length = 8 if wire_type == _FIXED64 else 4
        else:
            raise ValueError(f"unknown protobuf wire type {wire_type}")
        if length > end - position:
            raise ValueError("it is cut short")
        if wire_type == _BYTES:
            yield number, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a protobuf number is too long")
