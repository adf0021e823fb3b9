"""The photographs and clips that may ship, in an order that is arbitrary but always the same."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from PIL import Image

from deploy.demo.tastes import PHOTOGRAPHS, SOUNDS
from streams.errors import ConfigurationError

# Photographs that the bundled image encoder has not been trained on.
_SPLITS = ("validation", "test")
# "Sampling Plus", the third licence in the set, forbids advertising and is not in use any more.
_CLIP_LICENCES = ("CC0", "CC-BY")
FILM_SIZE = (120, 160)


@dataclass(frozen=True, slots=True)
class Source:
    """A media file of a data set."""

    file: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ClipCredit:
    """Where a clip of ESC-10 comes from, as the set's own README states it."""

    file: str
    title: str
    url: str
    author: str
    licence: str


class Sources:
    """Hands out each photograph and each clip once.

    Args:
        data: The folder with `clothing` and `esc10`, see their README.

    Raises:
        ConfigurationError: The folder is not that.
    """

    def __init__(self, data: Path) -> None:
        try:
            clips = {credit.file for credit in clip_credits() if credit.licence in _CLIP_LICENCES}
            photographs = [row for row in _rows(data / "clothing") if row["split"] in _SPLITS]
            sounds = [row for row in _rows(data / "esc10") if row["file"] in clips]
            self._pools = _pools(data / "clothing" / "images.zip", photographs, PHOTOGRAPHS)
            self._pools |= _pools(data / "esc10" / "clips.zip", sounds, SOUNDS)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise ConfigurationError(
                f"{data} must have `clothing` (images.zip, labels.csv) and `esc10` (clips.zip, labels.csv): "
                f"{error}"
            ) from error

    def take(self, label: str) -> Source:
        """The next photograph or clip of a label."""
        return self._pools[label].pop(0)

    def take_for_film(self, label: str, count: int) -> list[Source]:
        """The next photographs of the size that films have."""
        pool = self._pools[label]
        chosen = [source for source in pool if _size(source.data) == FILM_SIZE][:count]
        for source in chosen:
            pool.remove(source)
        return chosen


def clip_credits() -> list[ClipCredit]:
    """The credits of every clip of ESC-10."""
    with (Path(__file__).parent / "esc10_sources.csv").open(encoding="utf-8", newline="") as lines:
        return [ClipCredit(**row) for row in csv.DictReader(lines)]


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _pools(archive: Path, rows: list[dict[str, str]], names: dict[str, str]) -> dict[str, list[Source]]:
    with zipfile.ZipFile(archive) as files:
        inside = {name.rpartition("/")[2]: name for name in files.namelist()}

        def of(label: str) -> Iterator[Source]:
            own = [row["file"] for row in rows if row["label"] == names[label]]
            for file in sorted(own, key=lambda name: sha256(name.encode()).digest()):
                yield Source(file, files.read(inside[file]))

        return {label: list(of(label)) for label in names}


def _size(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as image:
        return image.size
