"""What an export hands on to be checked and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.encoders.encoder import Vectors
from models.encoders.manifest import Measurement, Modality

Reference = Callable[[Sequence[Any]], Vectors]
"""Items as `Encoder` takes them to vectors [n, d] by the model that was exported."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A network as ONNX, not yet in a folder.

    Attributes:
        graph: The ONNX file.
        inputs: Names of its inputs, in the manifest's order.
        output: The output to read.
        dimension: Length of its vectors.
        preprocessing: As in the manifest; a text's `tokenizer` is added when it is written.
        tokenizer: A ``tokenizer.json``; for text only.
        reference: The model itself, None where there is only the graph.
        note: What differs from the model's own preprocessing; empty where nothing does.
    """

    modality: Modality
    graph: bytes
    inputs: tuple[str, ...]
    output: str
    dimension: int
    preprocessing: Mapping[str, Any]
    tokenizer: bytes | None = None
    reference: Reference | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """What a manifest says of where an encoder is from."""

    name: str
    source: str
    licence: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRequest:
    """What is to be made an encoder, and how.

    Attributes:
        source: An ``.onnx`` file, a folder of a model, or the name of one on the hub.
        out: The folder that holds encoders' folders.
        name: Of the encoder; None for that of the model.
        modality: Of two towers only this one; refused where the source does not encode it.
        options: Fields of the manifest's `preprocessing`.
        int8: Quantise.
        sample: Items of the person's own; see `models.export.samples.read_sample`.
        licence: None for that of the model card.
        revision: On the hub.
    """

    source: str
    out: Path
    name: str | None = None
    modality: Modality | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    int8: bool = False
    sample: Path | None = None
    licence: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """An encoder that was added.

    Attributes:
        quality: What was measured, as in its manifest.
        note: What differs from the model's own preprocessing; empty where nothing does.
    """

    name: str
    modality: Modality
    dimension: int
    size_bytes: int
    folder: Path
    licence: str
    quality: Mapping[str, Measurement]
    note: str
