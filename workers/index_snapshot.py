"""A snapshot of an index on disk: its items, and up to where `item-vectors` is in it.

One file, in NumPy's own format of several arrays (each with a checksum), of which nothing is executed when
it is read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.retrieval.index_state import IndexState
from streams.internal_messages import ItemVersion

_FORMAT = 1
# What one release could not take and passed over, another may.
_RELEASE = metadata.version("freshet")

Arrays = Mapping[str, NDArray[Any]]


class SnapshotFileError(ValueError):
    """A file is no snapshot that can be used; says why. Nobody but the reader of snapshots meets it."""


@dataclass(frozen=True, slots=True)
class IndexSnapshot:
    """What an index held, and of what.

    Attributes:
        topic_id: Of the topic as it was then: one created again is another.
        positions: Partition → the first offset that is not in it.
        written_at_ms: Milliseconds since the epoch.
        items: What the index held.
        versions: Of each item, in that order, and its revision.
        withdrawn: Items that are gone, as of which version.
    """

    topic_id: str
    positions: Mapping[int, int]
    written_at_ms: int
    items: IndexState
    versions: list[tuple[ItemVersion, int]]
    withdrawn: Mapping[str, ItemVersion]


class _Head(msgspec.Struct, frozen=True):
    format: int
    release: str
    topic_id: str
    positions: dict[int, int]
    written_at_ms: int


class _Lists(msgspec.Struct, frozen=True, array_like=True):
    item_ids: list[str]
    attributes: list[bytes]
    versions: list[tuple[ItemVersion, int]]
    withdrawn: dict[str, ItemVersion]


def write_snapshot(path: Path, snapshot: IndexSnapshot) -> None:
    """Write a snapshot in place of the one before it, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    head = _Head(_FORMAT, _RELEASE, snapshot.topic_id, dict(snapshot.positions), snapshot.written_at_ms)
    items = snapshot.items
    lists = _Lists(items.item_ids, items.attributes, snapshot.versions, dict(snapshot.withdrawn))
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with new.open("wb") as file:
            np.savez(
                file,
                head=_bytes(head),
                lists=_bytes(lists),
                vectors=items.vectors,
                available=items.available,
                created_at_ms=items.created_at_ms,
            )
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def delete_old(kept: Path, before_ms: float) -> None:
    """Delete what is beside one: what nobody can use any more, and what a killed worker had begun."""
    for path in (*kept.parent.glob("*.npz"), *kept.parent.glob(".*.npz.*")):
        with suppress(OSError):
            if path != kept and path.stat().st_mtime * 1_000 < before_ms:
                path.unlink()


def read_snapshot(path: Path, dimension: int, is_wanted: Callable[[str, int], bool]) -> IndexSnapshot:
    """Read a snapshot of an index of this dimension.

    Args:
        is_wanted: Given the topic's id and when it was written: whether the rest is to be read.

    Raises:
        SnapshotFileError: It is damaged, of another format, or not wanted.
        OSError: It cannot be read; FileNotFoundError where there is none.
    """
    try:
        with path.open("rb") as file:
            return _read(file, dimension, is_wanted)
    except (SnapshotFileError, OSError):
        raise
    except Exception as error:
        # Whatever is made of bytes that nobody wrote: it is a copy, and no loss.
        raise SnapshotFileError(f"it is damaged: {error!r}") from error


def _read(file: BinaryIO, dimension: int, is_wanted: Callable[[str, int], bool]) -> IndexSnapshot:
    arrays: Arrays = np.load(file, allow_pickle=False)
    head = msgspec.msgpack.decode(arrays["head"].tobytes(), type=_Head)
    if (head.format, head.release) != (_FORMAT, _RELEASE):
        raise SnapshotFileError(f"it is of release {head.release}, format {head.format}")
    if not is_wanted(head.topic_id, head.written_at_ms):
        raise SnapshotFileError("it is too old, or of a topic that was created again since")
    lists = msgspec.msgpack.decode(arrays["lists"].tobytes(), type=_Lists)
    items = IndexState(
        item_ids=lists.item_ids,
        attributes=lists.attributes,
        vectors=arrays["vectors"].astype(np.float16, casting="equiv", copy=False),
        available=arrays["available"].astype(np.bool_, casting="equiv", copy=False),
        created_at_ms=arrays["created_at_ms"].astype(np.int64, casting="equiv", copy=False),
    )
    items.check(dimension)
    if len(lists.versions) != len(items.item_ids):
        raise SnapshotFileError("not as many versions as items")
    return IndexSnapshot(
        head.topic_id, head.positions, head.written_at_ms, items, lists.versions, lists.withdrawn
    )


def _bytes(value: object) -> NDArray[np.uint8]:
    return np.frombuffer(msgspec.msgpack.encode(value), np.uint8)
