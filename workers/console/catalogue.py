"""The newest items with what a page shows of them. No I/O; bounded in items and in bytes."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiokafka import ConsumerRecord

from streams.codec import decode_value
from streams.errors import BadInputError
from streams.fields import Attributes, MediaKind
from streams.messages import Item, Media
from streams.topics import ITEMS

SHOWN_DESCRIPTION_CHARACTERS = 600
SHOWN_TITLE_CHARACTERS = 200
SHOWN_MEDIA = 4
SHOWN_ATTRIBUTES = 12
SHOWN_ATTRIBUTE_CHARACTERS = 120


class HeldItem(msgspec.Struct, frozen=True):
    """An item without the bytes of its media. ``version`` names the message that it came by."""

    item_id: str
    version: str
    title: str
    description: str
    attributes: Attributes
    kinds: tuple[MediaKind, ...]
    media: tuple[Media | None, ...]
    available: bool


class ConsoleCatalogue:
    """Items by id, those published last at the end.

    Args:
        max_items: Beyond, those published longest ago are dropped.
        max_media_bytes: Of inline media; beyond, those used longest ago are dropped.
    """

    def __init__(self, max_items: int, max_media_bytes: int) -> None:
        self._max_items = max_items
        self._items: OrderedDict[str, HeldItem] = OrderedDict()
        self._inline = _BoundedBytes(max_media_bytes)

    def __len__(self) -> int:
        return len(self._items)

    def take(self, records: Sequence[ConsumerRecord]) -> None:
        """Take messages of `items`; one that is no item costs itself alone."""
        for record in records:
            if record.value is None:
                if record.key is not None:
                    self._items.pop(record.key.decode(errors="replace"), None)
                continue
            try:
                item = decode_value(record.value, ITEMS)
            except BadInputError:
                continue
            self._put(item, f"{record.partition}-{record.offset}")

    def find(self, item_id: str) -> HeldItem | None:
        """An item, None where it is not held."""
        return self._items.get(item_id)

    def media(self, item_id: str, number: int, version: str) -> Media | None:
        """A medium of an item in that version, None where it is not held (any more)."""
        item = self._items.get(item_id)
        if item is None or item.version != version or not 0 <= number < len(item.media):
            return None
        medium = item.media[number]
        if medium is not None:
            return medium
        data = self._inline.get((item_id, version, number))
        return None if data is None else Media(kind=item.kinds[number], data=data)

    def page(
        self, words: str, offset: int, count: int, shuffle: int | None = None
    ) -> tuple[list[dict[str, Any]], int]:
        """Items whose id, title or attributes hold every word; and how many there are.

        Args:
            shuffle: The seed of their order; newest first where None.
        """
        wanted = words.casefold().split()
        found = [item for item in reversed(self._items.values()) if item.available and _matches(item, wanted)]
        if shuffle is not None:
            random.Random(shuffle).shuffle(found)
        return [shown(item) for item in found[offset : offset + count]], len(found)

    def shown(self, item_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What a page shows of these items, of those that are held."""
        held = ((item_id, self._items.get(item_id)) for item_id in item_ids)
        return {item_id: shown(item) for item_id, item in held if item is not None}

    def _put(self, item: Item, version: str) -> None:
        media: list[Media | None] = []
        for number, medium in enumerate(item.media[:SHOWN_MEDIA]):
            if medium.data is None:
                media.append(medium)
            else:
                media.append(None)
                self._inline.put((item.item_id, version, number), medium.data)
        self._items[item.item_id] = HeldItem(
            item.item_id,
            version,
            item.title[:SHOWN_TITLE_CHARACTERS],
            item.description[:SHOWN_DESCRIPTION_CHARACTERS],
            _shown_attributes(item.attributes),
            tuple(medium.kind for medium in item.media[:SHOWN_MEDIA]),
            tuple(media),
            item.available,
        )
        self._items.move_to_end(item.item_id)
        if len(self._items) > self._max_items:
            self._items.popitem(last=False)


def shown(item: HeldItem) -> dict[str, Any]:
    """An item as the page gets it."""
    return {
        "item_id": item.item_id,
        "title": item.title,
        "description": item.description,
        "attributes": item.attributes,
        "media": [
            {"kind": kind, "url": "/media?" + urlencode({"item": item.item_id, "n": n, "v": item.version})}
            for n, kind in enumerate(item.kinds)
        ],
    }


class _BoundedBytes:
    """Text by key; beyond so many characters those used longest ago are dropped."""

    def __init__(self, max_characters: int) -> None:
        self._max = max_characters
        self._held: OrderedDict[tuple[str, str, int], str] = OrderedDict()
        self._size = 0

    def get(self, key: tuple[str, str, int]) -> str | None:
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    def put(self, key: tuple[str, str, int], value: str) -> None:
        self._size += len(value) - len(self._held.pop(key, ""))
        self._held[key] = value
        while self._size > self._max:
            self._size -= len(self._held.popitem(last=False)[1])


def _shown_attributes(attributes: Attributes) -> Attributes:
    found: Attributes = {}
    for name, value in list(attributes.items())[:SHOWN_ATTRIBUTES]:
        if isinstance(value, str):
            found[name] = value[:SHOWN_ATTRIBUTE_CHARACTERS]
        elif isinstance(value, list):
            found[name] = [one[:SHOWN_ATTRIBUTE_CHARACTERS] for one in value[:SHOWN_ATTRIBUTES]]
        else:
            found[name] = value
    return found


def _matches(item: HeldItem, words: Sequence[str]) -> bool:
    if not words:
        return True
    parts = [item.item_id, item.title]
    for value in item.attributes.values():
        if isinstance(value, str):
            parts.append(value)
        elif isinstance(value, list):
            parts += value
    text = " ".join(parts).casefold()
    return all(word in text for word in words)
