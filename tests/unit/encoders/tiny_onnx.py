"""Writes small ONNX models in the protobuf wire format, by the field numbers of onnx.proto."""

from __future__ import annotations

from collections.abc import Sequence

FLOAT, UINT8 = 1, 2
EXTERNAL = 1


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def node(
    kind: str, inputs: Sequence[str], outputs: Sequence[str], attributes: bytes = b"", domain: str = ""
) -> bytes:
    parts = [message(1, name) for name in inputs] + [message(2, name) for name in outputs]
    parts += [message(4, kind), attributes]
    if domain:
        parts.append(message(7, domain))
    return b"".join(parts)


def tensor_cast(name: str, output: str) -> bytes:
    to_float = message(1, "to") + number(3, FLOAT) + number(20, 2)
    return node("Cast", [name], [output], message(5, to_float))


def external_tensor(name: str) -> bytes:
    entry = message(1, "location") + message(2, "elsewhere.bin")
    return number(1, 1) + number(2, FLOAT) + message(8, name) + message(13, entry) + number(14, EXTERNAL)


def constant_node(output: str, tensor: bytes) -> bytes:
    attribute = message(1, "value") + message(5, tensor) + number(20, 4)
    return node("Constant", [], [output], message(5, attribute))


def subgraph_node(body: bytes) -> bytes:
    """A node that holds a graph, as ``If`` and ``Loop`` do."""
    attribute = message(1, "then_branch") + message(6, body) + number(20, 5)
    return node("If", ["condition"], ["chosen"], message(5, attribute))


def value_info(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    sizes = b"".join(
        message(1, message(2, size) if isinstance(size, str) else number(1, size)) for size in shape
    )
    tensor_type = number(1, kind) + message(2, sizes)
    return message(1, name) + message(2, message(1, tensor_type))


def graph(nodes: Sequence[bytes], tensors: Sequence[bytes] = ()) -> bytes:
    return b"".join([message(1, item) for item in nodes] + [message(5, item) for item in tensors])


def model(
    nodes: Sequence[bytes],
    inputs: Sequence[bytes],
    outputs: Sequence[bytes],
    tensors: Sequence[bytes] = (),
    opsets: Sequence[tuple[str, int]] = (("", 17),),
) -> bytes:
    body = graph(nodes, tensors) + message(2, "tiny")
    body += b"".join(message(11, item) for item in inputs) + b"".join(message(12, item) for item in outputs)
    parts = [number(1, 8), message(7, body)]
    parts += [message(8, message(1, domain) + number(2, version)) for domain, version in opsets]
    return b"".join(parts)
