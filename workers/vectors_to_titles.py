"""Titles and attributes of items in the memory of an explain worker, from the topic of vectors.

The vectors themselves are not even decoded, and the number of items is bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import structlog

from streams.fields import Attributes
from streams.internal_messages import ItemVersion

# Of a title and of an attribute's text, what is kept: cleaning shortens them further.
KEPT_CHARACTERS = 400
KEPT_VALUES = 8
MAX_WITHDRAWN = 100_000

_log = structlog.get_logger()


class _ItemWords(msgspec.Struct):
    """What is decoded of an `ItemVector`."""

    item_id: str
    version: ItemVersion
    revision: int
    title: str = ""
    attributes: Attributes = {}


class _Kept(msgspec.Struct, array_like=True):
    """What is kept of an item, as MessagePack: a fifth of what the objects would take."""

    title: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class KnownItem:
    """What is known of an item."""

    title: str
    attributes: Attributes


_words_decoder = msgspec.msgpack.Decoder(_ItemWords)
_kept_encoder = msgspec.msgpack.Encoder()
_kept_decoder = msgspec.msgpack.Decoder(_Kept)


class ItemTitles:
    """Titles and attributes by item, ignoring what is not newer than is held. No I/O.

    Args:
        max_items: Beyond, the items that changed longest ago are dropped.
        attribute_names: The attributes that are kept.
    """

    def __init__(self, max_items: int, attribute_names: Iterable[str]) -> None:
        self._max_items = max_items
        self._attribute_names = tuple(attribute_names)
        self._held: OrderedDict[str, tuple[ItemVersion, int, bytes]] = OrderedDict()
        self._withdrawn: OrderedDict[str, ItemVersion] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def find(self, item_id: str) -> KnownItem | None:
        """What is known of an item; None where it is not known, or withdrawn."""
        held = self._held.get(item_id)
        if held is None:
            return None
        kept = _kept_decoder.decode(held[2])
        return KnownItem(kept.title, kept.attributes)

    def take(self, value: bytes) -> bool:
        """Take an item as it now is, as `item-vectors` carries it; whether it changed anything.

        Raises:
            msgspec.DecodeError: It is none.
        """
        words = _words_decoder.decode(value)
        held = self._held.get(words.item_id)
        if held is not None:
            version, revision, _ = held
            older = version.is_newer_than(words.version)
            if older or (version == words.version and revision >= words.revision):
                return False
        withdrawn = self._withdrawn.get(words.item_id)
        if withdrawn is not None and not words.version.is_newer_than(withdrawn):
            return False
        self._withdrawn.pop(words.item_id, None)
        self._held[words.item_id] = (words.version, words.revision, self._packed(words))
        self._held.move_to_end(words.item_id)
        if len(self._held) > self._max_items:
            self._held.popitem(last=False)
        return True

    def remove(self, item_id: str, version: ItemVersion | None) -> bool:
        """Drop a withdrawn item, unless it is held in a newer version; whether it was held."""
        held = self._held.get(item_id)
        if held is not None and version is not None and held[0].is_newer_than(version):
            return False
        if version is not None:
            self._withdrawn[item_id] = version
            self._withdrawn.move_to_end(item_id)
            if len(self._withdrawn) > MAX_WITHDRAWN:
                self._withdrawn.popitem(last=False)
        return self._held.pop(item_id, None) is not None

    def _packed(self, words: _ItemWords) -> bytes:
        attributes: Attributes = {}
        for name in self._attribute_names:
            value = words.attributes.get(name)
            if isinstance(value, str):
                attributes[name] = value[:KEPT_CHARACTERS]
            elif isinstance(value, list):
                attributes[name] = [one[:KEPT_CHARACTERS] for one in value[:KEPT_VALUES]]
            elif value is not None:
                attributes[name] = value
        return _kept_encoder.encode(_Kept(words.title[:KEPT_CHARACTERS], attributes))
