"""Files of a data set line by line; whatever is wrong names the file and the line."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from models.errors import DatasetError

T = TypeVar("T")


def text_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number from 1 and bytes of each line that is not empty; ``.gz`` is unpacked on the way.

    Raises:
        DatasetError: The file is missing, or cannot be read.
    """
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, line
    except FileNotFoundError:
        raise DatasetError(f"there is no file {path}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read after line {number}: {error}") from None


def json_lines(path: Path, shape: type[T]) -> Iterator[tuple[int, T]]:
    """Each line as ``shape``, a msgspec struct, with its number from 1.

    Raises:
        DatasetError: As `text_lines`, or a line is not of that shape.
    """
    decoder = msgspec.json.Decoder(shape)
    for number, line in text_lines(path):
        with naming(path, number):
            yield number, decoder.decode(line)


@contextmanager
def naming(path: Path, line: int) -> Iterator[None]:
    """Turns what is wrong with a line into a `DatasetError` that names it."""
    try:
        yield
    except DatasetError:
        raise
    except (msgspec.MsgspecError, ValueError, KeyError, OverflowError, OSError, zlib.error) as error:
        raise DatasetError(f"{path}, line {line}: {error}") from None
    except zipfile.BadZipFile as error:
        raise DatasetError(f"{path}, line {line}: {error}") from None
