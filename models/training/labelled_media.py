"""The labelled photographs and sounds that the bundled encoders are trained on."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.errors import TrainingError
from models.training.common import Floats

SAMPLE_RATE_HZ = 16_000


class Labelled(NamedTuple):
    """Items in the order of ``labels.csv``: the media, their class numbers, and their split or fold."""

    items: list[Any]
    labels: NDArray[np.int64]
    parts: NDArray[np.str_]
    classes: list[str]


def read_clothing(data: Path) -> Labelled:
    """Photographs as RGB ``PIL.Image``, at most 160 px; parts are train, validation, test."""
    return _read(data / "clothing", "images.zip", "split", _image)


def read_esc10(data: Path) -> Labelled:
    """Clips as float32 mono at 16 kHz; parts are the folds 1 to 5."""
    return _read(data / "esc10", "clips.zip", "fold", _sound)


def _read(folder: Path, archive: str, part: str, decode: Any) -> Labelled:
    try:
        with (folder / "labels.csv").open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        with zipfile.ZipFile(folder / archive) as files:
            inside = {name.rsplit("/", 1)[-1]: name for name in files.namelist()}
            items = [decode(files.read(inside[row["file"]])) for row in rows]
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{folder} is not the data set expected there: {error}.") from error
    classes = sorted({row["label"] for row in rows})
    labels = np.array([classes.index(row["label"]) for row in rows])
    return Labelled(items, labels, np.array([row[part] for row in rows]), classes)


def _image(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def _sound(data: bytes) -> Floats:
    with av.open(io.BytesIO(data)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
        decoded = container.decode(audio=0)  # type: ignore[union-attr]
        frames = [out for frame in decoded for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32)
