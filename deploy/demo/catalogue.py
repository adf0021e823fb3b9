"""The demo's catalogue as it ships: items with media beside them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import msgspec

from deploy.demo.tastes import Taste
from streams.errors import DefectError
from streams.messages import Item, Media

CATALOGUE_FOLDER = Path(__file__).parent / "catalogue"
ITEMS_FILE = "items.jsonl"
NEW_ITEMS_FILE = "new-items.jsonl"
MEDIA_FOLDER = "media"
_decoder = msgspec.json.Decoder(Item)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the demo publishes.

    Attributes:
        items: Published at the start; media by `file` URIs within ``media_root``.
        new_items: Published in the middle; media inline.
        media_root: The folder from which media must be allowed.
    """

    items: tuple[Item, ...]
    new_items: tuple[Item, ...]
    media_root: Path


def load_catalogue(folder: Path = CATALOGUE_FOLDER) -> Catalogue:
    """Read the catalogue.

    Raises:
        DefectError: It is not there, or broken: the installation lacks files.
    """
    folder = folder.resolve()
    try:
        items = tuple(_by_uri(item, folder) for item in read_items(folder / ITEMS_FILE))
        new_items = tuple(_inline(item, folder) for item in read_items(folder / NEW_ITEMS_FILE))
    except (OSError, msgspec.DecodeError) as error:
        raise DefectError(f"the demo's catalogue in {folder} cannot be read: {error}") from error
    return Catalogue(items, new_items, folder / MEDIA_FOLDER)


def read_items(file: Path) -> list[Item]:
    """Items as they ship: the URI of each medium is a path relative to the catalogue's folder."""
    return [_decoder.decode(line) for line in file.read_bytes().splitlines()]


def labels_of(item: Item) -> frozenset[str]:
    """What an item is of: its tags."""
    tags = item.attributes["tags"]
    return frozenset(tags) if isinstance(tags, list) else frozenset()


def is_to_taste(item: Item, taste: Taste) -> bool:
    """Whether people of this taste like the item."""
    return taste.likes(labels_of(item))


def modality_of(item: Item) -> str:
    """text, image, audio or video where it has one modality alone, else mixed."""
    present = {medium.kind for medium in item.media} | ({"text"} if item.title or item.description else set())
    return present.pop() if len(present) == 1 else "mixed"


def _by_uri(item: Item, folder: Path) -> Item:
    media = [_replace(medium, uri=(folder / (medium.uri or "")).as_uri()) for medium in item.media]
    return msgspec.structs.replace(item, media=media)


def _inline(item: Item, folder: Path) -> Item:
    media = [
        _replace(medium, data=base64.b64encode((folder / (medium.uri or "")).read_bytes()).decode())
        for medium in item.media
    ]
    return msgspec.structs.replace(item, media=media)


def _replace(medium: Media, *, uri: str | None = None, data: str | None = None) -> Media:
    return Media(kind=medium.kind, media_type=medium.media_type, uri=uri, data=data)
