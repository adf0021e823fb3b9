"""One ONNX graph, checked against its manifest entry and ready to run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.encoders.manifest import FileEntry, GraphEntry
from models.encoders.onnx_structure import OnnxStructure, read_structure
from models.errors import EncoderOutputError, GraphError, ManifestError
from models.onnx_runtime import ort

# com.microsoft are the operators that ONNX Runtime itself carries; none of these domains loads a library.
ALLOWED_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How ONNX Runtime runs.

    One thread a session by default: a worker scales by processes, and pools that spin would take the cores
    from its neighbours. Without the arena, memory goes back after each run (see docs/experiments.md).
    ``batch_size`` is the most rows given to a graph at once, which bounds memory.
    """

    threads: int = 1
    memory_arena: bool = False
    batch_size: int = 16


class OnnxGraph:
    """A loaded graph. ``input_shape`` and ``output_shape`` hold None where a size is free."""

    def __init__(self, folder: Path, entry: GraphEntry, settings: SessionSettings) -> None:
        """Raises GraphError or ManifestError where the file is not what ``entry`` says."""
        self.entry = entry
        self._where = str(folder / entry.file)
        data = read_checked(folder, entry)
        structure = checked_structure(data, self._where)
        if structure.opset != entry.opset:
            raise GraphError(
                f"{self._where} has opset {structure.opset}, its manifest says {entry.opset}. Correct "
                "`opset`."
            )
        self._session = open_session(data, self._where, settings)
        inputs = {node.name: node for node in self._session.get_inputs()}
        outputs = {node.name: node for node in self._session.get_outputs()}
        if set(inputs) != set(entry.inputs):
            raise GraphError(
                f"{self._where} has the inputs {sorted(inputs)}, its manifest names {sorted(entry.inputs)}. "
                "Correct `inputs` in the manifest."
            )
        if entry.output not in outputs:
            raise GraphError(
                f"{self._where} has the outputs {sorted(outputs)}, its manifest names {entry.output!r}. "
                "Correct `output` in the manifest."
            )
        self.input_shapes = {name: known_shape(node.shape) for name, node in inputs.items()}
        self.input_types: dict[str, str] = {name: node.type for name, node in inputs.items()}
        self.input_shape = self.input_shapes[entry.inputs[0]]
        self.output_shape = known_shape(outputs[entry.output].shape)

    def require_input(self, name: str, onnx_type: str, shape: tuple[int | None, ...]) -> None:
        """Raises GraphError unless the input takes ``onnx_type`` arrays of ``shape`` (None: any size)."""
        actual = self.input_shapes[name]
        fits = len(actual) == len(shape) and all(
            a is None or b is None or a == b for a, b in zip(actual, shape, strict=True)
        )
        if not fits or self.input_types[name] != onnx_type:
            raise GraphError(
                f"{self._where}: input {name!r} takes {self.input_types[name]} {_text(actual)}, its manifest "
                f"implies {onnx_type} {_text(shape)}. Correct `preprocessing`, or export the graph again."
            )

    def require_output_dimension(self, dimension: int) -> None:
        """Raises GraphError where the output's last size is known and is not ``dimension``."""
        if self.output_shape and self.output_shape[-1] not in (None, dimension):
            raise GraphError(
                f"{self._where}: output {self.entry.output!r} is {_text(self.output_shape)}, the manifest's "
                f"`dimension` is {dimension}. Correct `dimension`."
            )

    def run(self, *inputs: Array) -> NDArray[np.float32]:
        """The output as float32, for the inputs in the manifest's order.

        Raises:
            EncoderOutputError: the network failed on them.
        """
        try:
            (output,) = self._session.run(
                [self.entry.output], dict(zip(self.entry.inputs, inputs, strict=True))
            )
        except Exception as error:  # ONNX Runtime raises a dozen types without a common base
            raise EncoderOutputError(f"{self._where} failed: {error}") from error
        return np.asarray(output, np.float32)


def read_checked(folder: Path, entry: FileEntry) -> bytes:
    """The file's bytes, after a check of size and sha256: what is checked is what is loaded.

    Raises:
        ManifestError: missing, unreadable, or not the file that the manifest describes.
    """
    path = folder / entry.file
    try:
        size_bytes = path.stat().st_size
        if size_bytes != entry.size_bytes:
            raise ManifestError(
                f"{path} has {size_bytes} bytes, its manifest says {entry.size_bytes}. Fetch the file again, "
                "or correct `size_bytes` and `sha256` if the new file is meant."
            )
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(
            f"{path} cannot be read ({error.strerror}). Put the file that the manifest names there."
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != entry.sha256:
        raise ManifestError(
            f"{path} has the sha256 {digest}, its manifest says {entry.sha256}. Fetch the file again, or "
            "correct `sha256` if the new file is meant."
        )
    return data


def checked_structure(data: bytes, where: str) -> OnnxStructure:
    """What an ONNX file holds; ``where`` names it in the error.

    Raises:
        GraphError: it is no ONNX model, or one with what Freshet does not load: external data, custom
        operators.
    """
    structure = read_structure(data, where)
    if structure.external_data:
        raise GraphError(
            f"{where} keeps tensors in other files, which are not covered by its sha256. Save the model with "
            "its tensors inside (`onnx.save(model, path, save_as_external_data=False)`)."
        )
    foreign = sorted(structure.domains - ALLOWED_DOMAINS)
    if foreign:
        raise GraphError(
            f"{where} uses operators of the domains {foreign}; Freshet loads no custom operators. Export it "
            "with standard ONNX operators."
        )
    return structure


def open_session(data: bytes, where: str, settings: SessionSettings) -> ort.InferenceSession:
    """A session over a file that `checked_structure` let pass.

    Raises:
        GraphError: ONNX Runtime cannot load it.
    """
    try:
        return ort.InferenceSession(data, _options(settings), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a dozen types without a common base
        raise GraphError(
            f"ONNX Runtime {ort.__version__} cannot load {where}: {error}. Export it for this version."
        ) from error


def _options(settings: SessionSettings) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = settings.memory_arena
    options.enable_mem_pattern = settings.memory_arena
    options.log_severity_level = 3
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def known_shape(shape: list[Any]) -> tuple[int | None, ...]:
    """ONNX Runtime's shape with None where a size is free."""
    return tuple(size if isinstance(size, int) and size >= 0 else None for size in shape)


def _text(shape: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("any" if size is None else str(size) for size in shape) + "]"
