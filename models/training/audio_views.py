"""Views of the clips for the audio student, and what the teacher says of each."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from models.onnx_runtime import ort
from models.training.audio_network import SILENCE, MelPower
from models.training.common import Floats, progress_bar
from models.training.distillation import NO_LABEL
from models.training.labelled_media import Labelled

WINDOW_SAMPLES, HOP_SAMPLES = 40_000, 20_000
WHOLE_VIEWS, RANDOM_VIEWS = 3, 21
VIEWS = WHOLE_VIEWS + RANDOM_VIEWS
TEACHER_WINDOW, TEACHER_HOP, TEACHER_DIMENSION = 15_600, 8_000, 1024


class Views(NamedTuple):
    """VIEWS windows a clip, of which the first WHOLE_VIEWS are the clip's own windows in order.

    log_power [n, frames, bands] float16 (logarithm of mel energies), labels [n] (NO_LABEL for mixtures),
    taught [n, TEACHER_DIMENSION].
    """

    log_power: NDArray[np.float16]
    labels: NDArray[np.int64]
    taught: Floats


def taught_views(clips: Labelled, weights: Path, cache: Path | None, seed: int) -> Views:
    """Cuts and mixes the views, and asks the teacher; clips are mixed within their fold only."""
    stored = cache / "audio.npz" if cache else None
    if stored and stored.exists():
        loaded = np.load(stored)
        return Views(loaded["log_power"], loaded["labels"], loaded["taught"])
    rng = np.random.default_rng(seed)
    teacher = Teacher(weights)
    total = len(clips.items) * VIEWS
    labels = np.repeat(clips.labels, VIEWS)
    frames = []
    mel_power = MelPower()
    taught = np.zeros((total, TEACHER_DIMENSION), np.float32)
    with progress_bar() as bar:
        task = bar.add_task("teacher on views", total=len(clips.items), note="")
        for number, clip in enumerate(clips.items):
            fold = np.flatnonzero(clips.parts == clips.parts[number])
            windows = np.zeros((VIEWS, WINDOW_SAMPLES), np.float32)
            for view in range(VIEWS):
                row = number * VIEWS + view
                if view < WHOLE_VIEWS:
                    window = _cut(clip, view * HOP_SAMPLES)
                else:
                    window = _random_window(clip, rng)
                    if rng.random() < 0.4:
                        other = _random_window(clips.items[rng.choice(fold)], rng)
                        window = _mixed(window, other, rng)
                        labels[row] = NO_LABEL
                windows[view] = window
                taught[row] = teacher.encode(window)
            power = mel_power(torch.from_numpy(windows))
            frames.append(torch.log(power + SILENCE).numpy().astype(np.float16))
            bar.update(task, advance=1)
    log_power = np.concatenate(frames)
    if stored:
        stored.parent.mkdir(parents=True, exist_ok=True)
        np.savez(stored, log_power=log_power, labels=labels, taught=taught)
    return Views(log_power, labels, taught)


class Teacher:
    """YAMNet (tensorflow/models, Apache-2.0): the mean of its frames' embeddings over a window."""

    def __init__(self, weights: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._front = ort.InferenceSession(weights / "yamnet_log_mel.onnx", options)
        self._back = ort.InferenceSession(weights / "yamnet_embedding.onnx", options)

    def encode(self, window: Floats) -> Floats:
        """float32 [TEACHER_DIMENSION]."""
        starts = range(0, len(window) - TEACHER_WINDOW + 1, TEACHER_HOP)
        frames = [
            self._front.run(None, {"input_1": window[None, start : start + TEACHER_WINDOW]})[0]
            for start in starts
        ]
        (vectors,) = self._back.run(None, {"log_mel": np.stack(frames)})
        return np.asarray(vectors.mean(axis=0), np.float32)


def _cut(clip: Floats, start: int) -> Floats:
    window = np.zeros(WINDOW_SAMPLES, np.float32)
    part = clip[start : start + WINDOW_SAMPLES]
    window[: len(part)] = part
    return window


def _random_window(clip: Floats, rng: np.random.Generator) -> Floats:
    """A window at a random place, played at 0.85 to 1.15 times the speed."""
    speed = rng.uniform(0.85, 1.15)
    needed = int(WINDOW_SAMPLES * speed) + 2
    start = int(rng.integers(0, max(1, len(clip) - needed)))
    part = clip[start : start + needed]
    places = np.arange(WINDOW_SAMPLES) * speed
    return np.interp(places, np.arange(len(part)), part, right=0.0).astype(np.float32)


def _mixed(first: Floats, second: Floats, rng: np.random.Generator) -> Floats:
    """The sum of two windows at equal level, the second moved by up to 6 dB either way."""
    level = np.sqrt((first**2).mean() / max(float((second**2).mean()), 1e-9))
    mixed = first + second * min(float(level), 30.0) * 10 ** (rng.uniform(-6, 6) / 20)
    return np.asarray(mixed / max(1.0, float(np.abs(mixed).max())), np.float32)
