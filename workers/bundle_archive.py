"""A bundle as one file: a plain tar of the files of its folder, the same bytes for the same files."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import msgspec

from models.bundle_kind import read_manifest
from models.encoders.manifest import MANIFEST_FILE, PlainFileName
from streams.errors import InvalidError

MAX_FILES = 8


def pack(folder: Path) -> bytes:
    """The manifest and the graph of a folder, and nothing else that lies there.

    Raises:
        ManifestError: The folder is no bundle.
        InvalidError: A file of it cannot be read.
    """
    manifest = read_manifest(folder)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in (MANIFEST_FILE, manifest.graph.file):
            try:
                data = (folder / name).read_bytes()
            except OSError as error:
                raise InvalidError(f"{folder / name} cannot be read: {error.strerror}") from error
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def unpack(data: bytes, folder: Path, max_bytes: int) -> None:
    """Write the files of a bundle into a folder, which is there.

    Raises:
        InvalidError: It is no tar file, holds anything but a few plain files, or has over ``max_bytes``.
        OSError: They cannot be written here.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            left, files = max_bytes, 0
            for entry in archive:
                files += 1
                name = _plain_name(entry)
                left -= entry.size
                if files > MAX_FILES or left < 0:
                    raise InvalidError(f"the bundle has more than {MAX_FILES} files or {max_bytes:,} bytes")
                content = archive.extractfile(entry)
                if content is None:
                    raise InvalidError(f"the bundle holds {entry.name[:100]!r}, which is no plain file")
                (folder / name).write_bytes(content.read())
    except (tarfile.TarError, ValueError) as error:
        raise InvalidError(f"the bundle is no tar file that can be read: {error}") from error
    if not files:
        raise InvalidError("the bundle is empty")


def _plain_name(entry: tarfile.TarInfo) -> str:
    try:
        # A sparse file may be of any size, whatever the archive's is.
        if not entry.isreg() or entry.issparse() or entry.size < 0:
            raise ValueError
        return msgspec.convert(entry.name, PlainFileName)
    except (msgspec.ValidationError, ValueError):
        raise InvalidError(
            f"the bundle holds {entry.name[:100]!r}: it may hold plain files without folders only"
        ) from None
