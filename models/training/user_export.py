"""A trained sequence model as an ONNX graph that recommend workers run."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from models.encoders.manifest import GraphEntry
from models.encoders.session import OnnxGraph, SessionSettings
from models.errors import TrainingError
from models.training.common import OPSET, save_graph
from models.training.device import device_of
from models.training.user_network import NewestOf, UserNetwork
from models.user.bundle import UserSample
from models.user.history import UserHistory
from models.user.inputs import entry_inputs

MIN_COSINE = 0.9999
_CHECKED_LENGTHS = (1, 2, 3, 7, 20, 50)
_CHECKED_EACH = 8


def export_user_model(network: UserNetwork, path: Path, seed: int = 0) -> tuple[GraphEntry, float]:
    """Write ``vectors`` float32 [n, D], ``told`` float32 [n, 6] → ``user`` [1, D], for any n ≥ 1.

    Returns:
        The manifest's entry, and the least cosine between PyTorch's and ONNX Runtime's vectors over random
        histories of 1 to 50 entries.

    Raises:
        TrainingError: The least cosine is under 0.9999.
    """
    network.cpu().eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    example = random_history(network.read.in_features, 5, np.random.default_rng(seed))
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # That sizes are traced: all that depends on them comes from their shapes, which stay free.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        torch.onnx.export(
            NewestOf(network),
            _tensors(example),
            buffer,
            input_names=["vectors", "told"],
            output_names=["user"],
            dynamic_axes={"vectors": {0: "entries"}, "told": {0: "entries"}},
            opset_version=OPSET,
            dynamo=False,
        )
    entry = save_graph(onnx.load_from_string(buffer.getvalue()), path)
    cosine = agreement(network, path, entry, seed)
    if cosine < MIN_COSINE:
        raise TrainingError(f"{path} gives other vectors than PyTorch: the least cosine is {cosine:.6f}")
    return entry, cosine


def agreement(network: UserNetwork, path: Path, entry: GraphEntry, seed: int = 0) -> float:
    """The least cosine of PyTorch's and ONNX Runtime's vectors; see `export_user_model`."""
    graph = OnnxGraph(path.parent, entry, SessionSettings())
    random = np.random.default_rng(seed)
    least = 1.0
    for length in _CHECKED_LENGTHS:
        for _ in range(_CHECKED_EACH):
            history = random_history(network.read.in_features, length, random)
            ours = person(network, history)
            theirs = graph.run(history.vectors, entry_inputs(history.weights, history.ages_s))[0]
            lengths = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
            least = min(least, float(ours @ theirs) / max(lengths, 1e-12))
    return least


def make_samples(network: UserNetwork, count: int, seed: int = 0) -> tuple[UserSample, ...]:
    """Random histories of 3 entries with their vectors, to be stated in the manifest."""
    random = np.random.default_rng(seed)
    histories = [random_history(network.read.in_features, 3, random) for _ in range(count)]
    return tuple(
        UserSample(
            vectors=history.vectors.astype("<f4").tobytes(),
            weights=history.weights.astype("<f4").tobytes(),
            ages_s=history.ages_s.astype("<f8").tobytes(),
            vector=person(network, history).astype("<f4").tobytes(),
        )
        for history in histories
    )


def person(network: UserNetwork, history: UserHistory, newest: slice = slice(None)) -> NDArray[np.float32]:
    """The network's vector of these entries of a history, at least one, float32 [D]."""
    network.eval()
    vectors, told = (one[newest].to(device_of(network)) for one in _tensors(history))
    with torch.no_grad():
        return np.asarray(network.newest(vectors, told)[0].cpu().numpy(), np.float32)


def random_history(dimension: int, length: int, random: np.random.Generator) -> UserHistory:
    """Random unit vectors, likes and dislikes, over some days."""
    vectors = random.standard_normal((length, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return UserHistory(
        vectors.astype(np.float32),
        random.choice([-2.0, -0.5, 0.3, 1.0, 2.0], length).astype(np.float32),
        np.sort(random.exponential(100_000.0, length))[::-1],
    )


def _tensors(history: UserHistory) -> tuple[torch.Tensor, torch.Tensor]:
    told = entry_inputs(history.weights, history.ages_s)
    return torch.from_numpy(np.ascontiguousarray(history.vectors)), torch.from_numpy(told)
