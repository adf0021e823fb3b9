"""Part (d): items/s of each encoder on one thread, beside bare ONNX Runtime over the same batches.

Seconds are of processor time. Texts of nine words, pictures of the network's size, clips of five seconds. The
baseline has pixels and windows prepared, and for text calls the tokenizer library in batches, so the gap is
what checking, batching and pooling cost. An encoder of several networks (video) has the sum of its parts'
bare runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from models.encoders import (
    AudioManifest,
    EncoderRegistry,
    ImageManifest,
    SessionSettings,
    TextManifest,
    VideoInput,
)
from models.encoders.audio import window_starts
from models.onnx_runtime import ort
from streams.settings import load_settings
from workers.bench.media_samples import title
from workers.bench.rows import Row, row
from workers.bench.run import Bench

_ITEMS = 64
_CLIP_S = 5

Run = Callable[[], Any]


def measure(bench: Bench) -> list[Row]:
    """See the module."""
    seconds = bench.sized(tiny=0.05, short=3.0, long=20.0)
    settings = load_settings(bench.config, **bench.flags)
    session = SessionSettings(threads=1, batch_size=settings.encoders.batch_size)
    registry = EncoderRegistry(settings.encoders.folders, session)
    rows = []
    for name in registry.names():
        bench.say(f"  {name}")
        encoder = registry.get(name)
        items = _inputs(encoder)
        bare = _bare(registry, name, items, session)
        ours = partial(encoder.encode, items)
        # Turn about, so that what else the machine does meets both.
        halves = [(_rate(ours, seconds / 2), _rate(bare, seconds / 2) if bare else None) for _ in range(2)]
        rows.append(
            row(
                "encode",
                sum(one for one, _ in halves) / 2,
                "items/s of processor time",
                sum(one for _, one in halves if one) / 2 if bare else None,
                {"encoder": name, "modality": encoder.modality, "batch": session.batch_size},
            )
        )
    return rows


def _inputs(encoder: Any) -> list[Any]:
    random = np.random.default_rng(0)
    if encoder.modality == "text":
        return [title(number) for number in range(_ITEMS)]
    if encoder.modality == "image":
        return list(random.integers(0, 256, (_ITEMS, encoder.size_px, encoder.size_px, 3), np.uint8))
    sound = (0.1 * random.standard_normal(_CLIP_S * encoder.sample_rate_hz)).astype(np.float32)
    if encoder.modality == "audio":
        return [sound] * _ITEMS
    frames = random.integers(0, 256, (encoder.frames, encoder.size_px, encoder.size_px, 3), np.uint8)
    return [VideoInput(frames, sound)] * _ITEMS


def _bare(registry: EncoderRegistry, name: str, items: list[Any], session: SessionSettings) -> Run | None:
    """ONNX Runtime alone, over tensors prepared beforehand; None where the manifest names no graph."""
    manifest, folder = registry.manifest(name), registry.folder(name)
    size = session.batch_size
    if isinstance(manifest, TextManifest):
        return _bare_text(folder, manifest, items, session)
    if isinstance(manifest, ImageManifest) and manifest.preprocessing.dtype == "uint8":
        graph = manifest.graph
        feeds = [{graph.inputs[0]: np.stack(items[at : at + size])} for at in range(0, len(items), size)]
    elif isinstance(manifest, AudioManifest) and len(manifest.graphs) == 1:
        graph = manifest.graphs[0]
        options = manifest.preprocessing
        starts = window_starts(len(items[0]), options)
        windows = [clip[at : at + options.window_samples] for clip in items for at in starts]
        windows = [np.pad(window, (0, options.window_samples - len(window))) for window in windows]
        feeds = [{graph.inputs[0]: np.stack(windows[at : at + size])} for at in range(0, len(windows), size)]
    elif isinstance(items[0], VideoInput):
        parts: Any = manifest.preprocessing
        pictures = [frame for item in items for frame in item.frames]
        image = _bare(registry, parts.image_encoder, pictures, session)
        audio = _bare(registry, parts.audio_encoder, [item.audio for item in items], session)
        return None if image is None or audio is None else lambda: (image(), audio())
    else:
        return None
    runs = _session(folder / graph.file, session)
    return lambda: [runs.run([graph.output], feed) for feed in feeds]


def _bare_text(folder: Path, manifest: TextManifest, items: list[str], session: SessionSettings) -> Run:
    tokenizer = Tokenizer.from_file(str(folder / manifest.preprocessing.tokenizer.file))
    tokenizer.enable_padding()
    runs = _session(folder / manifest.graph.file, session)

    def work() -> None:
        for at in range(0, len(items), session.batch_size):
            encoded = tokenizer.encode_batch_fast(
                items[at : at + session.batch_size], add_special_tokens=manifest.preprocessing.special_tokens
            )
            ids = np.array([item.ids for item in encoded])
            mask = np.array([item.attention_mask for item in encoded])
            feed = dict(zip(manifest.graph.inputs, (ids, mask, 0 * ids), strict=False))
            runs.run([manifest.graph.output], feed)

    return work


def _session(path: Path, settings: SessionSettings) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.enable_cpu_mem_arena = settings.memory_arena
    return ort.InferenceSession(path, options)


def _rate(work: Run, seconds: float) -> float:
    """Items per second of processor time, which other processes on the machine hardly change."""
    work()
    done, started_s = 0, time.process_time()
    while (elapsed_s := time.process_time() - started_s) < seconds or not done:
        work()
        done += _ITEMS
    return done / elapsed_s if elapsed_s else float(done)
