"""Items a second of each encoder on one thread, beside a bare loop of ONNX Runtime over the same tensors.

    python tests/benchmarks/encoders.py [--seconds 3] [--folder F]... [--json]

Seconds are of processor time. Text: titles of nine words. Images: noise of the network's size. Audio: clips
of five seconds. Video: eight frames and five seconds of sound. The bare loop has pixels and windows prepared,
and for text calls the tokenizer library in batches, so the gap is what checking, batching and pooling cost.
Memory is the resident set after loading, and how it grew by encoding.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from rich.console import Console
from rich.table import Table
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

WORDS = (
    "red",
    "blue",
    "summer",
    "cotton",
    "leather",
    "boots",
    "rain",
    "dog",
    "bark",
    "city",
    "night",
    "music",
    "story",
    "of",
    "the",
)
CLIP_SECONDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each figure is measured")
    parser.add_argument(
        "--folder", type=Path, action="append", default=[], help="encoders besides the bundled"
    )
    parser.add_argument("--arena", action="store_true", help="with ONNX Runtime's memory arena")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--only", help="one encoder by name")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    settings = SessionSettings(memory_arena=arguments.arena, batch_size=arguments.batch)
    registry = EncoderRegistry(arguments.folder, settings)
    rows = []
    for name in [arguments.only] if arguments.only else registry.names():
        before = resident_mb()
        encoder = registry.get(name)
        loaded = resident_mb()
        items = inputs(encoder)
        encode = rate(lambda e=encoder, i=items: e.encode(i), len(items), arguments.seconds)
        bare = bare_loop(registry, name, items, settings)
        rows.append(
            {
                "encoder": name,
                "items_per_s": encode,
                "bare_items_per_s": rate(bare, len(items), arguments.seconds) if bare else None,
                "load_mb": loaded - before,
                "run_mb": resident_mb() - loaded,
            }
        )
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    table = Table("encoder", "items/s", "bare ONNX Runtime", "share", "MB to load", "MB to run")
    for row in rows:
        share = f"{row['items_per_s'] / row['bare_items_per_s']:.0%}" if row["bare_items_per_s"] else ""
        figures = [row["items_per_s"], row["bare_items_per_s"], share, row["load_mb"], row["run_mb"]]
        table.add_row(row["encoder"], *[f if isinstance(f, str) else f"{f or 0:,.0f}" for f in figures])
    Console().print(table)


def inputs(encoder: Any) -> list[Any]:
    """64 items for the encoder's modality."""
    rng = np.random.default_rng(0)
    if encoder.modality == "text":
        return [" ".join(rng.choice(WORDS, 9)) for _ in range(64)]
    if encoder.modality == "image":
        return list(rng.integers(0, 256, (64, encoder.size_px, encoder.size_px, 3), np.uint8))
    sound = (0.1 * rng.standard_normal(CLIP_SECONDS * encoder.sample_rate_hz)).astype(np.float32)
    if encoder.modality == "audio":
        return [sound] * 64
    size_px = encoder.size_px
    frames = rng.integers(0, 256, (encoder.frames, size_px, size_px, 3), np.uint8)
    return [VideoInput(frames, sound)] * 64


def bare_loop(
    registry: EncoderRegistry, name: str, items: list[Any], settings: SessionSettings
) -> Callable[[], Any] | None:
    """ONNX Runtime alone, over tensors prepared beforehand; None where there is no one graph to run."""
    manifest = registry.manifest(name)
    folder = registry.folder(name)
    feeds: list[dict[str, Any]] = []
    size = settings.batch_size
    if isinstance(manifest, TextManifest):
        return bare_text(folder, manifest, items, settings)
    if isinstance(manifest, ImageManifest) and manifest.preprocessing.dtype == "uint8":
        graph = manifest.graph
        feeds = [
            {graph.inputs[0]: np.stack(items[start : start + size])} for start in range(0, len(items), size)
        ]
    elif isinstance(manifest, AudioManifest) and len(manifest.graphs) == 1:
        graph = manifest.graphs[0]
        options = manifest.preprocessing
        starts = window_starts(len(items[0]), options)
        windows = [clip[start : start + options.window_samples] for clip in items for start in starts]
        windows = [np.pad(window, (0, options.window_samples - len(window))) for window in windows]
        feeds = [
            {graph.inputs[0]: np.stack(windows[start : start + size])}
            for start in range(0, len(windows), size)
        ]
    else:
        return None
    session = bare_session(folder / graph.file, settings)
    return lambda: [session.run([graph.output], feed) for feed in feeds]


def bare_text(
    folder: Path, manifest: TextManifest, items: list[str], settings: SessionSettings
) -> Callable[[], Any]:
    """The tokenizer library and ONNX Runtime, in batches padded by the library."""
    tokenizer = Tokenizer.from_file(str(folder / manifest.preprocessing.tokenizer.file))
    tokenizer.enable_padding()
    session = bare_session(folder / manifest.graph.file, settings)

    def work() -> None:
        for start in range(0, len(items), settings.batch_size):
            encoded = tokenizer.encode_batch_fast(
                items[start : start + settings.batch_size],
                add_special_tokens=manifest.preprocessing.special_tokens,
            )
            ids = np.array([item.ids for item in encoded])
            mask = np.array([item.attention_mask for item in encoded])
            feed = dict(zip(manifest.graph.inputs, (ids, mask, 0 * ids), strict=False))
            session.run([manifest.graph.output], feed)

    return work


def bare_session(path: Path, settings: SessionSettings) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.enable_cpu_mem_arena = settings.memory_arena
    return ort.InferenceSession(path, options)


def rate(work: Callable[[], Any], items: int, seconds: float) -> float:
    """Items per second of processor time, which other processes on the machine hardly change."""
    work()
    done, start = 0, time.process_time()
    while (elapsed := time.process_time() - start) < seconds:
        work()
        done += items
    return done / elapsed


def resident_mb() -> float:
    """The resident set of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
