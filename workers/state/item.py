"""The state of an item, and the only place where it changes. Pure: no Redis, no Kafka, no clock.

Messages about an item come from several encode roles and may cross each other. The rules:

- A declaration (what `items` says) replaces an older one, and voids every feature whose source it does
  not name. A declaration older than the one held changes nothing.
- A feature counts where it is not older than the feature held for its modality, and its source is the
  declared one. One from a message newer than the declaration is kept until that declaration comes.
- A withdrawal is a declaration: what was encoded for older messages is void, whenever it arrives.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from streams.fields import Attributes, Modality
from streams.internal_messages import (
    FeatureMessage,
    ItemDeclared,
    ItemFeature,
    ItemFeatureFailed,
    ItemVersion,
)
from workers.state.store import VERSION_BYTES, pack_version


class StoredFeature(msgspec.Struct, frozen=True, array_like=True):
    """One modality's vector as it is kept; float32, little-endian."""

    version: ItemVersion
    encoder: str
    source_hash: str
    content_hash: str
    vector: bytes


class ItemState(msgspec.Struct, frozen=True, array_like=True):
    """All that fuse knows of an item.

    ``revision`` grows with each change: it is the time of the change (milliseconds since the epoch), or one
    more than before where that is higher. ``declared`` is the version of the declaration held, None before
    the first; ``enriched``: attributes hold what a language model says of the item.
    """

    revision: int = 0
    declared: ItemVersion | None = None
    withdrawn: bool = False
    title: str = ""
    attributes: Attributes = {}
    available: bool = True
    created_at: datetime = datetime.fromtimestamp(0, UTC)
    sources: dict[Modality, str] = {}
    features: dict[Modality, StoredFeature] = {}
    enriched: bool = False

    def fusable(self) -> dict[Modality, StoredFeature]:
        """The features that count now: their source is declared, or they are ahead of the declaration."""
        if self.declared is None or self.withdrawn:
            return {}
        return {modality: feature for modality, feature in self.features.items() if self._counts(modality)}

    def _counts(self, modality: Modality) -> bool:
        return self.features[modality].source_hash == self.sources.get(modality)


def apply(state: ItemState, message: FeatureMessage, now_ms: int = 0) -> ItemState:
    """What becomes of ``state`` when ``message`` arrives; the same object where nothing changes.

    ``now_ms``: the wall clock, milliseconds since the epoch.
    """
    after = _apply(state, message)
    if after is state:
        return state
    # The time, not a count: that would begin anew with a Redis that has lost its state, or go back with one
    # that was set back, and who holds the item in a higher revision would take no change of it any more.
    return msgspec.structs.replace(after, revision=max(state.revision + 1, now_ms))


def _apply(state: ItemState, message: FeatureMessage) -> ItemState:
    match message:
        case ItemDeclared():
            return _declare(state, message)
        case ItemFeature():
            return _add_feature(state, message)
        case ItemFeatureFailed():
            return _drop_feature(state, message)


def _declare(state: ItemState, message: ItemDeclared) -> ItemState:
    # The same message declared again counts where other encoders are in use now, or where it is enriched.
    again = message.version == state.declared and (
        message.sources != state.sources or (message.enriched and not state.enriched)
    )
    if state.declared is not None and not again and not message.version.is_newer_than(state.declared):
        return state
    features = {
        modality: feature
        for modality, feature in state.features.items()
        if feature.version.is_newer_than(message.version)
        or (not message.withdrawn and feature.source_hash == message.sources.get(modality))
    }
    return ItemState(
        declared=message.version,
        withdrawn=message.withdrawn,
        title=message.title,
        attributes=message.attributes,
        available=message.available,
        created_at=message.created_at or datetime.fromtimestamp(message.version.timestamp_ms / 1_000, UTC),
        sources=message.sources,
        features=features,
        enriched=message.enriched,
    )


def _accepts(state: ItemState, message: ItemFeature | ItemFeatureFailed) -> bool:
    held = state.features.get(message.modality)
    if held is not None and held.version.is_newer_than(message.version):
        return False
    if state.declared is None or message.version.is_newer_than(state.declared):
        return True
    return not state.withdrawn and state.sources.get(message.modality) == message.source_hash


def _add_feature(state: ItemState, message: ItemFeature) -> ItemState:
    if not _accepts(state, message):
        return state
    feature = StoredFeature(
        message.version, message.encoder, message.source_hash, message.content_hash, message.vector
    )
    if state.features.get(message.modality) == feature:
        return state
    return msgspec.structs.replace(state, features={**state.features, message.modality: feature})


def _drop_feature(state: ItemState, message: ItemFeatureFailed) -> ItemState:
    if message.modality not in state.features or not _accepts(state, message):
        return state
    features = {modality: held for modality, held in state.features.items() if modality != message.modality}
    return msgspec.structs.replace(state, features=features)


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(ItemState)


def item_key(item_id: str) -> str:
    """Where an item's state is kept."""
    return f"item:{item_id}"


def encode_item_state(state: ItemState) -> bytes:
    """The stored form: the revision as version prefix, then MessagePack."""
    return pack_version(state.revision) + _encode(state)


def decode_item_state(stored: bytes | None) -> ItemState:
    """The state behind `item_key`; a new one where there is none."""
    return ItemState() if stored is None else _decoder.decode(stored[VERSION_BYTES:])
