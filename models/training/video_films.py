"""Films made up of photographs, as vectors of their frames.

There are no films that may ship, so a film is put together of what the image encoder makes of photographs:
views of its subject, as a camera that moves would see it, among what films have besides. Pictures are encoded
once; a film is a choice among their vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from models.encoders.image import ImageEncoder
from models.preprocessing.image import fit_square
from models.training.common import Floats, progress_bar, unit
from models.training.image_views import random_view
from models.training.labelled_media import Labelled

MAX_FRAMES = 16
VIEWS = 5
FILLERS = 300
# A subject is one photograph, or this many of its class.
MAX_PHOTOGRAPHS = 4

Random = np.random.Generator
# Of a photograph, what a view shows at least.
LEAST_AREA = 0.33
Spoil = Callable[[Image.Image, Random], Image.Image]
Fill = Callable[[int, Random], Image.Image]


class FrameVectors(NamedTuple):
    """The vectors of all that a film may be made of, float32, unit length.

    ``whole`` [n, d]: the photographs; ``views`` [n, VIEWS, d]: moved, zoomed, mirrored, in other light;
    ``spoilt``: kind → [n, d], the photographs such that little is to be seen; ``fillers``: kind →
    [FILLERS, d].
    """

    whole: Floats
    views: Floats
    spoilt: Mapping[str, Floats]
    fillers: Mapping[str, Floats]


class Films(NamedTuple):
    """Made-up films.

    ``frames`` float32 [n, MAX_FRAMES, d], zeros after the last; ``present`` bool [n, MAX_FRAMES]; ``subject``
    bool [n, MAX_FRAMES]: the frames that show it well; ``targets`` [n, d]: the mean of its photographs at
    unit length; ``owners`` int64 [n]: the row of its first photograph.
    """

    frames: Floats
    present: NDArray[np.bool_]
    subject: NDArray[np.bool_]
    targets: Floats
    owners: NDArray[np.int64]


class Kinds(NamedTuple):
    """What a film has besides its subject: names of ``SPOILT`` and of ``FILLS``."""

    spoilt: Sequence[str]
    fillers: Sequence[str]


def _fade(image: Image.Image, random: Random) -> Image.Image:
    """On its way to or from black or white."""
    plain = Image.new("RGB", image.size, (0, 0, 0) if random.random() < 0.7 else (255, 255, 255))
    return Image.blend(plain, image, random.uniform(0.03, 0.3))


def _blur(image: Image.Image, random: Random) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(random.uniform(0.05, 0.15) * max(image.size)))


def _mosaic(image: Image.Image, random: Random) -> Image.Image:
    """Blocks, as of a damaged stream."""
    blocks = int(random.integers(3, 8))
    return image.resize((blocks, blocks), Image.Resampling.BOX).resize(image.size, Image.Resampling.NEAREST)


def _shake(image: Image.Image, random: Random) -> Image.Image:
    """The mean of it moved far to one side: a camera that is swept across."""
    pixels = np.asarray(image, np.float32)
    reach = int(random.uniform(0.3, 0.7) * image.width)
    steps = range(0, reach + 1, max(1, reach // 12))
    swept = np.mean([np.roll(pixels, step, axis=1) for step in steps], axis=0)
    return Image.fromarray(swept.astype(np.uint8))


def _black(size_px: int, random: Random) -> Image.Image:
    noise = random.normal(random.uniform(0, 12), random.uniform(0, 4), (size_px, size_px, 3))
    return Image.fromarray(noise.clip(0, 255).astype(np.uint8))


def _card(size_px: int, random: Random) -> Image.Image:
    """A plain colour with some lines of what could be a title."""
    card = Image.new("RGB", (size_px, size_px), _colour(random))
    _lines(card, random, int(random.integers(0, 4)), _colour(random))
    return card


def _noise(size_px: int, random: Random) -> Image.Image:
    grey = random.random() < 0.5
    pixels = random.integers(0, 256, (size_px, size_px, 1 if grey else 3), np.uint8)
    return Image.fromarray(np.broadcast_to(pixels, (size_px, size_px, 3)).copy())


def _credits(size_px: int, random: Random) -> Image.Image:
    card = Image.new("RGB", (size_px, size_px), (0, 0, 0))
    _lines(card, random, int(random.integers(6, 12)), (230, 230, 230))
    return card


def _bars(size_px: int, random: Random) -> Image.Image:
    """A test picture of vertical bars."""
    colours = random.integers(0, 256, (1, int(random.integers(4, 9)), 3), np.uint8)
    return Image.fromarray(colours).resize((size_px, size_px), Image.Resampling.NEAREST)


def _gradient(size_px: int, random: Random) -> Image.Image:
    corners = Image.fromarray(random.integers(0, 256, (2, 2, 3), np.uint8))
    return corners.resize((size_px, size_px), Image.Resampling.BILINEAR)


SPOILT: Mapping[str, Spoil] = {"fade": _fade, "blur": _blur, "mosaic": _mosaic, "shake": _shake}
FILLS: Mapping[str, Fill] = {
    "black": _black,
    "card": _card,
    "noise": _noise,
    "credits": _credits,
    "bars": _bars,
    "gradient": _gradient,
}
# What training sees, and what it does not: whether the second is told from a subject as well is measured.
KNOWN = Kinds(("fade", "blur"), ("black", "card", "noise"))
UNKNOWN = Kinds(("mosaic", "shake"), ("credits", "bars", "gradient"))


def frame_vectors(
    photographs: Labelled, encoder: ImageEncoder, kinds: Kinds, random: Random, title: str
) -> FrameVectors:
    """Encodes the photographs, their views, and the ``kinds`` of what is shown besides."""
    size = encoder.size_px

    def pixels(image: Image.Image) -> NDArray[np.uint8]:
        return fit_square(image, size, encoder.manifest.preprocessing.fit)

    rows = []
    with progress_bar() as bar:
        task = bar.add_task(title, total=len(photographs.items), note="")
        for photograph in photographs.items:
            shown = [photograph, *(random_view(photograph, random, LEAST_AREA) for _ in range(VIEWS))]
            shown += [
                SPOILT[kind](random_view(photograph, random, LEAST_AREA), random) for kind in kinds.spoilt
            ]
            rows.append(encoder.encode([pixels(image) for image in shown]))
            bar.update(task, advance=1)
    made = np.stack(rows)
    fillers = {
        kind: encoder.encode([pixels(FILLS[kind](size, random)) for _ in range(FILLERS)])
        for kind in kinds.fillers
    }
    spoilt = {kind: made[:, 1 + VIEWS + place] for place, kind in enumerate(kinds.spoilt)}
    return FrameVectors(made[:, 0], made[:, 1 : 1 + VIEWS], spoilt, fillers)


def make_films(
    vectors: FrameVectors,
    labels: NDArray[np.int64],
    owners: NDArray[np.int64],
    random: Random,
    *,
    clean: bool = False,
) -> Films:
    """A film for each of ``owners``, the rows of their first photographs; ``labels`` are of all photographs.

    A film has 1 to 16 frames. A quarter to all of them are views of its subject, which is one photograph, or
    by an even chance two to four of its class. Of the others a stretch may be of one photograph of another
    class, shorter than the subject's; the rest is spoilt views of the subject and fillers, of one to three
    kinds. ``clean`` films have nothing but their subject.
    """
    count, dimension = len(owners), vectors.whole.shape[1]
    frames = np.zeros((count, MAX_FRAMES, dimension), np.float32)
    present = np.zeros((count, MAX_FRAMES), np.bool_)
    subject = np.zeros_like(present)
    targets = np.zeros((count, dimension), np.float32)
    same = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    other = [np.flatnonzero(labels != label) for label in range(labels.max() + 1)]
    kinds = [*vectors.spoilt, *vectors.fillers]
    for film, owner in enumerate(owners):
        length = int(random.integers(1, MAX_FRAMES + 1))
        main = length if clean else max(1, round(random.uniform(0.25, 1.0) * length))
        shown = np.array([owner])
        if random.random() < 0.5:
            more = int(random.integers(1, MAX_PHOTOGRAPHS))
            shown = np.append(shown, random.choice(same[labels[owner]], more))
        chosen = [vectors.views[row, random.integers(VIEWS)] for row in random.choice(shown, main)]
        foreign = int(random.integers(0, min(length - main, main - 1) + 1)) if random.random() < 0.5 else 0
        stranger = random.choice(other[labels[owner]])
        chosen += [vectors.views[stranger, random.integers(VIEWS)] for _ in range(foreign)]
        besides = random.choice(kinds, int(random.integers(1, 4)))
        for kind in random.choice(besides, length - main - foreign):
            if kind in vectors.spoilt:
                chosen.append(vectors.spoilt[kind][random.choice(shown)])
            else:
                chosen.append(vectors.fillers[kind][random.integers(FILLERS)])
        frames[film, :length] = chosen
        present[film, :length] = True
        subject[film, :main] = True
        targets[film] = vectors.whole[np.unique(shown)].mean(axis=0)
    return Films(frames, present, subject, unit(targets), owners)


def stored_vectors(path: Path | None, make: Callable[[], FrameVectors]) -> FrameVectors:
    """What ``make`` gives, or gave at an earlier run; ``path`` None keeps nothing."""
    if path and path.exists():
        held = np.load(path)
        parts: dict[str, dict[str, Floats]] = {"spoilt": {}, "fillers": {}}
        for name in held.files:
            group, _, kind = name.partition(".")
            if kind:
                parts[group][kind] = held[name]
        return FrameVectors(held["whole"], held["views"], parts["spoilt"], parts["fillers"])
    vectors = make()
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        named: dict[str, Any] = {f"spoilt.{kind}": rows for kind, rows in vectors.spoilt.items()}
        named |= {f"fillers.{kind}": rows for kind, rows in vectors.fillers.items()}
        np.savez(path, whole=vectors.whole, views=vectors.views, **named)
    return vectors


def _colour(random: Random) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in random.integers(0, 256, 3))
    return red, green, blue


def _lines(card: Image.Image, random: Random, count: int, colour: tuple[int, int, int]) -> None:
    """Rows of small boxes, as words look from afar."""
    draw = ImageDraw.Draw(card)
    side = card.width
    height = max(2, side // (2 * count + 4))
    for line in range(count):
        top = (2 * line + 2) * height
        left = int(random.uniform(0.1, 0.3) * side)
        end = side - left
        while left < end:
            width = int(random.integers(2, max(4, side // 6)))
            draw.rectangle((left, top, min(left + width, end), top + height - 1), fill=colour)
            left += width + 2
