"""What of an item each modality is made from, and the hash that says whether it has changed."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from streams.fields import MODALITIES, Modality
from streams.messages import Item, Media
from streams.settings import Settings

HASH_BYTES = 16


def content_hash(data: bytes) -> str:
    """A hash of bytes, as hex."""
    return blake2b(data, digest_size=HASH_BYTES).hexdigest()


def media_of(item: Item, modality: Modality, settings: Settings) -> list[Media]:
    """The media that make this modality, at most `max_media_per_modality` of them."""
    found = [media for media in item.media if media.kind == modality]
    return found[: settings.media.max_media_per_modality]


def source_hash(item: Item, modality: Modality, settings: Settings) -> str | None:
    """A hash of what the item declares for ``modality`` and of the encoder in use; None without any.

    A caller's vector stands in for the text or media of its modality. Media by URI are hashed by their
    URI: what is behind it is known to the role that fetches it alone.
    """
    encoder = settings.encoders.name_for(modality)
    parts: object
    if modality in item.vectors:
        vector = item.vectors[modality]
        parts = (vector.encoder, vector.values)
    elif modality == "text":
        if not (item.title or item.description):
            return None
        parts = (item.title, item.description)
    else:
        media = media_of(item, modality, settings)
        if not media:
            return None
        parts = [(entry.uri, entry.data) for entry in media]
    return content_hash(msgspec.msgpack.encode((encoder, parts)))


def declared_sources(item: Item, settings: Settings) -> dict[Modality, str]:
    """The source hash of every modality that the item has."""
    hashes = {modality: source_hash(item, modality, settings) for modality in MODALITIES}
    return {modality: found for modality, found in hashes.items() if found is not None}
