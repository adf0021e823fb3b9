"""What the training commands share: seeds, progress, projections, figures, manifests."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from models.encoders.manifest import MANIFEST_FILE, EncoderManifest, FileEntry, GraphEntry, encode_manifest
from models.errors import SettingError, TrainingError
from models.training.device import CPU, DEVICE_NAMES, training_device
from models.training.weight_storage import STORAGES, Storage, store_weights

Floats = NDArray[np.floating[Any]]
console = Console()

OPSET = 17
IR_VERSION = 8
MAX_FILE_BYTES = 5_000_000
# Of what costs less than half a percent, the smallest: docs/experiments.md.
STORAGE: Storage = "int8"


def parse_arguments(description: str, *, teachers: bool = True) -> argparse.Namespace:
    """The arguments that every training command takes; without ``teachers``, no folder of theirs.

    ``device`` is a `torch.device`.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="folder of the evaluation data")
    if teachers:
        parser.add_argument("--weights", type=Path, required=True, help="folder of the teachers' ONNX files")
    parser.add_argument("--out", type=Path, required=True, help="folder in which the encoder is written")
    parser.add_argument("--text", type=Path, help="folder of text sources (the text encoder only)")
    parser.add_argument("--cache", type=Path, help="folder that keeps vectors to learn from for the next run")
    parser.add_argument(
        "--storage", choices=STORAGES, default=STORAGE, help="of weights (not the text encoder's)"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, help="instead of the command's own number")
    parser.add_argument(
        "--device", choices=DEVICE_NAMES, default="cpu", help="where the network learns; auto: a GPU if any"
    )
    arguments = parser.parse_args()
    try:
        arguments.device = training_device(arguments.device)
    except SettingError as error:
        parser.error(error.detail)
    torch.set_num_threads(arguments.threads)
    threadpool_limits(arguments.threads)
    torch.manual_seed(arguments.seed)
    # A GPU lacks some of them.
    torch.use_deterministic_algorithms(True, warn_only=arguments.device != CPU)
    return arguments


def progress_bar() -> Progress:
    """A progress bar with the loss beside it (field ``note``)."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


def principal_axes(rows: Floats, dimension: int, *, centre: bool = True) -> tuple[Floats, Floats]:
    """The mean [d] of ``rows`` [n, d] and their ``dimension`` principal axes, as columns [d, dimension].

    Without ``centre`` the mean is taken as 0: the axes keep dot products rather than differences.
    """
    mean = rows.mean(axis=0) if centre else np.zeros(rows.shape[1], rows.dtype)
    centred = (rows - mean).astype(np.float64)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    return mean, vectors[:, np.argsort(values)[::-1][:dimension]].astype(np.float32)


def unit(rows: Floats) -> Floats:
    """Each row at unit length."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def linear_probe(train: Floats, train_labels: Any, test: Floats, test_labels: Any) -> float:
    """Accuracy on the test rows of a logistic regression on standardised features."""
    return float(probe_hits(train, train_labels, test, test_labels).mean())


def probe_hits(train: Floats, train_labels: Any, test: Floats, test_labels: Any) -> NDArray[np.bool_]:
    """Which test rows a logistic regression on standardised features gets right, [n]."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, C=0.1))
    probe.fit(train, train_labels)
    return np.asarray(probe.predict(test) == np.asarray(test_labels))


def neighbour_accuracy(
    train: Floats, train_labels: Any, test: Floats, test_labels: Any, k: int = 10
) -> float:
    """The share of each test row's ``k`` nearest training rows (cosine) that have its label."""
    nearest = np.argsort(-(unit(test) @ unit(train).T), axis=1)[:, :k]
    return float((np.asarray(train_labels)[nearest] == np.asarray(test_labels)[:, None]).mean())


def file_entry(path: Path) -> FileEntry:
    """The manifest's entry for a file."""
    data = path.read_bytes()
    if len(data) > MAX_FILE_BYTES:
        raise TrainingError(f"{path} has {len(data)} bytes; a bundled file may have {MAX_FILE_BYTES}.")
    return FileEntry(file=path.name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


def save_graph(model: onnx.ModelProto, path: Path) -> GraphEntry:
    """Checks and writes a model with one output; returns its manifest entry."""
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
    entry = file_entry(path)
    return GraphEntry(
        file=entry.file,
        sha256=entry.sha256,
        size_bytes=entry.size_bytes,
        opset=next(item.version for item in model.opset_import if item.domain == ""),
        inputs=tuple(item.name for item in model.graph.input),
        output=model.graph.output[0].name,
    )


def export_module(
    module: torch.nn.Module, example: torch.Tensor, input_name: str, path: Path, storage: Storage
) -> GraphEntry:
    """Exports a module of one input and one output (``embedding``) with a free batch size.

    ``storage`` is how the file keeps the weights.
    """
    module.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        module,
        (example,),
        str(path),
        input_names=[input_name],
        output_names=["embedding"],
        dynamic_axes={input_name: {0: "batch"}, "embedding": {0: "batch"}},
        opset_version=OPSET,
        dynamo=False,
    )
    return save_graph(store_weights(onnx.load(path), storage), path)


def write_manifest(manifest: EncoderManifest, out: Path) -> None:
    """Writes the manifest beside its files and shows its figures."""
    folder = out / manifest.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_FILE).write_bytes(encode_manifest(manifest))
    for metric, measured in manifest.quality.items():
        console.print(f"{manifest.name}: {metric} = {measured.value:.4f} ({measured.dataset})")
