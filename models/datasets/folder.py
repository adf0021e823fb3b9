"""A data set of one's own: a folder with two files, and the media that they name.

``items.jsonl`` holds a message of the topic ``items`` a line, ``events.jsonl`` one of ``events``, as in the
contract; events are in the order in which they happened. Media lie inline (``data``, base64), or in files:
their ``uri`` is then a name relative to the folder, and may not lead out of it. An item's ``vectors`` may be
of an encoder that no deployment has, as long as all vectors of a modality are of the same one. Items without
``created_at`` count as old.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from models.datasets.dataset import CallerVector, Dataset, DatasetEvent, DatasetItem
from models.datasets.lines import json_lines, naming
from models.encoders.manifest import Modality
from models.errors import DatasetError
from models.retrieval.filters import AttributeValue

ITEMS_FILE = "items.jsonl"
EVENTS_FILE = "events.jsonl"

_Id = Annotated[str, Meta(min_length=1, max_length=256)]
_Time = Annotated[datetime, Meta(tz=True)]


class _Media(msgspec.Struct, frozen=True):
    kind: Literal["image", "audio", "video"]
    uri: str | None = None
    data: str | None = None


class _Vector(msgspec.Struct, frozen=True):
    encoder: Annotated[str, Meta(min_length=1)]
    values: Annotated[list[float], Meta(min_length=1)]


class _Item(msgspec.Struct, frozen=True):
    item_id: _Id
    title: str = ""
    description: str = ""
    media: list[_Media] = []
    attributes: dict[str, bool | int | float | str | list[str]] = {}
    vectors: dict[Literal["text", "image", "audio", "video"], _Vector] = {}
    available: bool = True
    created_at: _Time | None = None


class _Event(msgspec.Struct, frozen=True):
    event_id: _Id
    user_id: _Id
    item_id: _Id
    action: Annotated[str, Meta(min_length=1, max_length=64)]
    occurred_at: _Time
    value: float | None = None
    context: dict[str, Any] = {}


class FolderDataset(Dataset):
    """See the module."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.name = folder.resolve().name

    def items(self) -> Iterator[DatasetItem]:
        """See `Dataset.items`."""
        path = self.folder / ITEMS_FILE
        seen: set[str] = set()
        encoders: dict[Modality, tuple[str, int]] = {}
        for number, line in json_lines(path, _Item):
            with naming(path, number):
                if line.item_id in seen:
                    raise ValueError(f"item {line.item_id!r} was there before")
                seen.add(line.item_id)
                yield self._item(line, encoders)

    def events(self) -> Iterator[DatasetEvent]:
        """See `Dataset.events`."""
        for _, line in json_lines(self.folder / EVENTS_FILE, _Event):
            yield DatasetEvent(
                event_id=line.event_id,
                user_id=line.user_id,
                item_id=line.item_id,
                action=line.action,
                occurred_at_ms=_milliseconds(line.occurred_at),
                value=line.value,
                context=line.context,
            )

    def _item(self, line: _Item, encoders: dict[Modality, tuple[str, int]]) -> DatasetItem:
        vectors = {modality: _vector(given) for modality, given in line.vectors.items()}
        for modality, vector in vectors.items():
            described = (vector.encoder, len(vector.values))
            usual = encoders.setdefault(modality, described)
            if usual != described:
                raise ValueError(
                    f"`vectors.{modality}` is {described[1]} numbers of `{described[0]}`, those before are "
                    f"{usual[1]} of `{usual[0]}`"
                )
        media: dict[Modality, tuple[bytes, ...]] = {}
        for one in line.media:
            media[one.kind] = (*media.get(one.kind, ()), self._bytes(one))
        attributes: dict[str, AttributeValue] = dict(line.attributes)
        return DatasetItem(
            item_id=line.item_id,
            title=line.title,
            description=line.description,
            attributes=attributes,
            created_at_ms=0 if line.created_at is None else _milliseconds(line.created_at),
            media=media,
            vectors=vectors,
            available=line.available,
        )

    def _bytes(self, media: _Media) -> bytes:
        if (media.uri is None) == (media.data is None):
            raise ValueError("media needs exactly one of `uri` and `data`")
        if media.data is not None:
            return base64.b64decode(media.data, validate=True)
        root = self.folder.resolve()
        path = (root / str(media.uri)).resolve()
        if not path.is_relative_to(root):
            raise ValueError(f"`uri` {media.uri!r} leads out of the folder")
        if not path.is_file():
            raise DatasetError(f"there is no file {path}, which {self.folder / ITEMS_FILE} names")
        return path.read_bytes()


def _vector(given: _Vector) -> CallerVector:
    values = np.asarray(given.values, np.float32)
    length = float(np.linalg.norm(values.astype(np.float64)))
    if not (math.isfinite(length) and length > 0):
        raise ValueError("a vector has no direction")
    return CallerVector(given.encoder, values)


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1_000)
