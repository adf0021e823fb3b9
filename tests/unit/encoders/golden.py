"""Inputs whose vectors are kept in ``golden.json``; written anew, after a
retraining, by ``python -m tests.unit.encoders.golden``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from models.encoders import EncoderRegistry, VideoInput

GOLDEN_FILE = Path(__file__).parent / "golden.json"
TEXTS = ["red dress", "Toy Story (1995)", "Der Hund bellt im Garten.", "rain on a tin roof, " * 40]


def pictures(size_px: int, count: int = 4) -> Any:
    """uint8 [count, size_px, size_px, 3]: waves of colour, no two alike."""
    y, x = np.mgrid[0 : 1 : size_px * 1j, 0 : 1 : size_px * 1j]
    waves = [
        [128 + 120 * np.sin(2 * np.pi * ((k + 1) * x + c * y + k * c / 3)) for c in range(3)]
        for k in range(count)
    ]
    return np.stack(waves).transpose(0, 2, 3, 1).astype(np.uint8)


def sounds(rate_hz: int) -> list[Any]:
    """Clips of 0.7, 2.5, 4 and 11 s: a tone, a sweep, noise, noise in bursts."""
    rng = np.random.default_rng(0)
    seconds = [np.arange(int(length * rate_hz)) / rate_hz for length in (0.7, 2.5, 4, 11)]
    tone, sweep, hiss, bursts = seconds
    return [
        (0.3 * np.sin(2 * np.pi * 440 * tone)).astype(np.float32),
        (0.3 * np.sin(2 * np.pi * (200 + 600 * sweep) * sweep)).astype(np.float32),
        (0.1 * rng.standard_normal(len(hiss))).astype(np.float32),
        (0.2 * rng.standard_normal(len(bursts)) * (bursts % 1 < 0.2)).astype(np.float32),
    ]


def inputs(encoder: Any) -> list[Any]:
    """Four items of the encoder's modality."""
    if encoder.modality == "text":
        return TEXTS
    if encoder.modality == "image":
        return list(pictures(encoder.size_px))
    if encoder.modality == "audio":
        return sounds(encoder.sample_rate_hz)
    frames, heard = pictures(encoder.size_px), sounds(encoder.sample_rate_hz)
    return [
        VideoInput(frames[:3], heard[0]),
        VideoInput(frames[1:2], heard[1]),
        VideoInput(frames, None),
        VideoInput(frames[:0], heard[3]),
    ]


def main() -> None:
    registry = EncoderRegistry()
    lines = []
    for name in registry.names():
        encoder = registry.get(name)
        rows = [
            json.dumps([round(float(value), 5) for value in row]) for row in encoder.encode(inputs(encoder))
        ]
        lines.append(f" {json.dumps(name)}: [\n  " + ",\n  ".join(rows) + "\n ]")
    GOLDEN_FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
