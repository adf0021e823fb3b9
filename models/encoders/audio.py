"""Sound: cut into windows, through a chain of graphs, mean over the clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.encoders.encoder import Encoder, Samples, Vectors
from models.encoders.manifest import AudioManifest, AudioPreprocessing
from models.encoders.session import Array, OnnxGraph, SessionSettings
from models.errors import EncoderInputError, GraphError


class AudioEncoder(Encoder[Samples]):
    """Encodes clips: float32 ``[samples]``, mono in [-1, 1], of any length."""

    manifest: AudioManifest

    def __init__(self, folder: Path, manifest: AudioManifest, settings: SessionSettings) -> None:
        self.manifest = manifest
        self._settings = settings
        self._graphs = [OnnxGraph(folder, entry, settings) for entry in manifest.graphs]
        first, last = self._graphs[0], self._graphs[-1]
        first.require_input(
            first.entry.inputs[0], "tensor(float)", (None, manifest.preprocessing.window_samples)
        )
        for earlier, later in zip(self._graphs, self._graphs[1:], strict=False):
            _check_fit(earlier, later)
        last.require_output_dimension(manifest.dimension)

    @property
    def sample_rate_hz(self) -> int:
        """The rate of the sound it takes."""
        return self.manifest.preprocessing.sample_rate_hz

    def sample(self) -> Samples:
        length = self.manifest.preprocessing.window_samples
        return (0.1 * np.random.default_rng(0).standard_normal(length)).astype(np.float32)

    def _forward(self, batch: Sequence[Samples]) -> Vectors:
        bad = tuple(
            row
            for row, clip in enumerate(batch)
            if not isinstance(clip, np.ndarray)
            or clip.ndim != 1
            or clip.dtype != np.float32
            or not np.isfinite(clip).all()
        )
        if bad:
            raise EncoderInputError(f"{self.name} takes finite float32 samples in one dimension.", bad)
        options = self.manifest.preprocessing
        # (row, start) of every window of every clip: windows of different clips share a run.
        places = [
            (row, start) for row, clip in enumerate(batch) for start in window_starts(len(clip), options)
        ]
        sums = np.zeros((len(batch), self.dimension), np.float64)
        counts = np.zeros(len(batch), np.int64)
        for first in range(0, len(places), self._settings.batch_size):
            chosen = places[first : first + self._settings.batch_size]
            windows = np.zeros((len(chosen), options.window_samples), np.float32)
            for index, (row, start) in enumerate(chosen):
                part = batch[row][start : start + options.window_samples]
                windows[index, : len(part)] = part
            rows = np.array([row for row, _ in chosen])
            np.add.at(sums, rows, self._run(windows).astype(np.float64))
            np.add.at(counts, rows, 1)
        means = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
        return np.where(counts[:, None] > 0, self._centred(means), np.float32(0))

    def _run(self, windows: NDArray[np.float32]) -> Vectors:
        values: Array = windows
        for graph in self._graphs:
            # A front end made for one window at a time may leave out the batch in its output.
            if graph.input_shape[0] == 1:
                values = np.stack([_without_batch(graph, graph.run(row[None])) for row in values])
            else:
                values = graph.run(values)
        return values


def window_starts(samples: int, options: AudioPreprocessing) -> list[int]:
    """Where the windows of a clip begin, in samples; none for an empty clip."""
    if samples == 0:
        return []
    window, hop = options.window_samples, options.hop_samples
    if samples <= window:
        return [0]
    whole = (samples - window) // hop + 1
    # The rest gets a window (filled up with silence) where it fills at least half of one.
    rest = samples - whole * hop
    count = whole + (1 if (samples - window) % hop and rest >= window / 2 else 0)
    if count <= options.max_windows:
        return [index * hop for index in range(count)]
    chosen = np.linspace(0, count - 1, options.max_windows).round().astype(int)
    return [int(index) * hop for index in chosen]


def _without_batch(graph: OnnxGraph, output: Vectors) -> Vectors:
    return output[0] if len(graph.output_shape) and graph.output_shape[0] == 1 and output.ndim > 1 else output


def _check_fit(earlier: OnnxGraph, later: OnnxGraph) -> None:
    given = earlier.output_shape
    # an output for one window, without the batch
    if earlier.input_shape[0] == 1 and (not given or given[0] != 1):
        given = (None, *given)
    wanted = later.input_shape
    if len(given) != len(wanted) or any(
        a is not None and b is not None and a != b for a, b in zip(given[1:], wanted[1:], strict=True)
    ):
        raise GraphError(
            f"{earlier.entry.file} gives {list(earlier.output_shape)}, which {later.entry.file} (input "
            f"{list(wanted)}) does not take. Correct the order of `graphs`."
        )
