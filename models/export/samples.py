"""Items that an export is checked on: made up ones, or a person's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.encoders.audio import AudioEncoder
from models.encoders.encoder import Encoder, Pixels, Samples
from models.encoders.image import ImageEncoder
from models.errors import ExportError, MediaTooLargeError, MediaUnreadableError
from models.export.source import check_regular
from models.preprocessing.audio import decode_audio
from models.preprocessing.image import decode_image
from models.preprocessing.limits import MediaLimits
from models.preprocessing.text import clean_text, item_text

MAX_ITEMS = 512
_MAX_TEXT_FILE_BYTES = 1 << 30
_MADE_UP_MEDIA = 24
_MAX_CHARACTERS = 20_000

MADE_UP_TEXTS: tuple[str, ...] = (
    "Red leather boots",
    "Waterproof hiking boots for women, ankle height, with a wool lining",
    "A quiet piano piece for late evenings",
    "Heavy metal from the north, recorded live in a barn",
    "How to bake bread without kneading: flour, water, salt, and a night's patience.",
    "The city council votes on the new tram line next Tuesday",
    "Two brothers cross a frozen lake to find their father, who left when they were small.",
    "Documentary about bees",
    "Stainless steel kettle, 1.7 litres, switches itself off",
    "A detective who cannot sleep takes on the murder of a clockmaker.",
    "Beginner's guide to sourdough",
    "Cats falling off shelves, compilation",
    "The match ended in a draw after a late penalty.",
    "Learn to play the guitar in thirty days",
    "Solar panels are now cheaper than ever, but who will install them?",
    "Wireless headphones with noise cancelling",
    "A cartoon about a small train that wants to see the sea",
    "Rain on a tin roof, ten hours",
    "Vegetarian curry with chickpeas and spinach",
    "Space: the first pictures from behind the moon",
    "Children's raincoat, yellow, with reflective stripes",
    "An opera in four acts about jealousy and a handkerchief",
    "Elections: what the polls say, and what they do not",
    "A love story told in letters that were never sent. " * 12,
    "Running shoes",
    "Yoga for stiff backs",
    "Rebuilding a motorcycle engine, part 3: the carburettor",
    "Weather: storms along the coast, then sun",
    "7 puzzles that look easy",
    "Déjà vu – ein Film über Erinnerung",
    "A cookbook from the mountains of Georgia",
    "ok",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Items as an encoder takes them, and what they are, in words.

    ``is_own`` where a person named them: then they stand for a deployment's items.
    """

    items: Sequence[Any]
    what: str
    is_own: bool = False


def made_up(encoder: Encoder[Any]) -> Sample:
    """The same items each time; pictures and sounds are synthetic."""
    if isinstance(encoder, ImageEncoder):
        return Sample(_pictures(encoder.size_px), f"{_MADE_UP_MEDIA} synthetic pictures")
    if isinstance(encoder, AudioEncoder):
        window = encoder.manifest.preprocessing.window_samples
        return Sample(_sounds(window, encoder.sample_rate_hz), f"{_MADE_UP_MEDIA} synthetic sounds")
    return Sample(MADE_UP_TEXTS, f"{len(MADE_UP_TEXTS)} made-up titles and descriptions")


def read_sample(path: Path, encoder: Encoder[Any]) -> Sample:
    """A person's own items, at most `MAX_ITEMS`.

    Args:
        path: For text, a file with an item as JSON (`title`, `description`) or a text on each line; else a
            folder of pictures or sounds, of which those that cannot be read are left out.
        encoder: What is to take them.

    Raises:
        ExportError: Not two items can be read.
    """
    decode = _decoder(encoder)
    if decode is None:
        check_regular(path, _MAX_TEXT_FILE_BYTES)
        items: list[Any] = list(_texts(path))
    elif not path.is_dir():
        raise ExportError(f"{path} is no folder. For {encoder.modality}, --sample names a folder of files.")
    else:
        items = []
        for file in sorted(entry for entry in path.iterdir() if entry.is_file()):
            try:
                items.append(decode(file.read_bytes()))
            except (MediaUnreadableError, MediaTooLargeError, OSError):
                continue
            if len(items) == MAX_ITEMS:
                break
    if len(items) < 2:
        raise ExportError(f"{path} holds {len(items)} items of {encoder.modality}; at least 2 are needed.")
    return Sample(items, f"{len(items)} items of {path.name}", is_own=True)


def _decoder(encoder: Encoder[Any]) -> Callable[[bytes], Any] | None:
    limits = MediaLimits()
    if isinstance(encoder, ImageEncoder):
        fit = encoder.manifest.preprocessing.fit
        return lambda data: decode_image(data, encoder.size_px, limits, fit)
    if isinstance(encoder, AudioEncoder):
        return lambda data: decode_audio(data, limits, encoder.sample_rate_hz)
    return None


def _texts(path: Path) -> Iterator[str]:
    found = 0
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            text = _text(line)
            if text:
                yield text
                found += 1
            if found == MAX_ITEMS:
                return


def _text(line: str) -> str:
    if line.lstrip().startswith("{"):
        try:
            item = json.loads(line)
        except ValueError:
            return ""
        title, description = (
            part if isinstance(part, str) else None for part in (item.get("title"), item.get("description"))
        )
        return item_text(title, description)
    return clean_text(line, _MAX_CHARACTERS)


def _pictures(size_px: int) -> list[Pixels]:
    """Smooth fields of colour with an edge or two: nearer to photographs than noise is."""
    random = np.random.default_rng(0)
    down, across = np.mgrid[0:size_px, 0:size_px].astype(np.float32) / size_px
    pictures = []
    for _ in range(_MADE_UP_MEDIA):
        waves = np.zeros((size_px, size_px, 3), np.float32)
        for scale in (1, 3, 9):
            angle, phase = random.uniform(0, np.pi), random.uniform(0, 2 * np.pi, 3)
            turned = (np.cos(angle) * across + np.sin(angle) * down)[:, :, None]
            waves += np.sin(2 * np.pi * scale * turned + phase) / scale
        top, left = random.integers(0, max(1, size_px // 2), 2)
        waves[top : top + size_px // 3, left : left + size_px // 3] += random.uniform(-2, 2, 3)
        pictures.append(np.clip(127.5 + 60 * waves, 0, 255).astype(np.uint8))
    return pictures


def _sounds(samples: int, rate_hz: int) -> list[Samples]:
    """Chords that sweep and fade, under some noise, of a whole window and of half of one."""
    random = np.random.default_rng(0)
    sounds = []
    for index in range(_MADE_UP_MEDIA):
        time_s = np.arange(samples if index % 2 else max(1, samples // 2)) / rate_hz
        tones = np.zeros(len(time_s))
        for pitch_hz in random.uniform(80, min(2_000, rate_hz / 4), 3):
            tones += np.sin(2 * np.pi * pitch_hz * time_s * (1 + random.uniform(-0.02, 0.02) * time_s))
        fade = np.exp(-random.uniform(0, 1) * time_s)
        noise = random.standard_normal(len(time_s)) * random.uniform(0.001, 0.1)
        sounds.append((0.1 * tones * fade + noise).clip(-1, 1).astype(np.float32))
    return sounds
