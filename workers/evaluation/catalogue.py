"""A data set's items as recommend workers hold them: encoded, fused and rounded as in the stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.datasets import Dataset, DatasetItem
from models.encoders.encoder import VideoInput, mean_direction
from models.encoders.registry import EncoderRegistry
from models.errors import MediaTooLargeError, MediaUnreadableError
from models.fusion import EncoderSpec
from models.preprocessing.limits import MediaLimits
from models.preprocessing.text import item_text
from models.retrieval import ItemIndex
from streams.fields import MODALITIES, Modality
from streams.internal_messages import ItemVector, ItemVersion
from streams.settings import Settings
from workers.encoders_in_use import encoder_registry, encoder_spec, fusion_of
from workers.evaluation.feature_cache import FeatureCache
from workers.item_sources import content_hash
from workers.media.decoder_pool import DECODERS
from workers.media.reader import decoder_options
from workers.vectors_to_index import IndexUpdater

Vector = NDArray[np.float32]
OnProgress = Callable[[int, int], None]
_BATCH_ITEMS = 256


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Items ready for an index.

    Attributes:
        vectors: One message an item, as in `item-vectors`.
        space: Of the vectors.
        modalities: Modality → how many items have it.
        refused: What could not be encoded, in words; in the stream each is a dead letter.
    """

    vectors: tuple[ItemVector, ...]
    space: str
    modalities: Mapping[str, int]
    refused: tuple[str, ...] = ()

    def index(self) -> ItemIndex:
        """A new index with these items."""
        return index_of(self.vectors)


def index_of(vectors: Iterable[ItemVector]) -> ItemIndex:
    """A new index with items as a recommend worker takes them from Kafka."""
    index = ItemIndex()
    updater = IndexUpdater(index)
    for vector in vectors:
        updater.put(vector)
    return index


def build_catalogue(
    dataset: Dataset,
    settings: Settings,
    modalities: Collection[Modality] = MODALITIES,
    cache: Path | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> Catalogue:
    """Encode and fuse a data set's items.

    Args:
        dataset: Its vectors of an encoder that is not in use take that modality as a whole.
        settings: Encoders, fusion weights and limits on media.
        modalities: Those that count.
        cache: A folder that keeps the vectors of texts and media for the next time.
        on_progress: Told how many texts and media are encoded, and of how many.

    Raises:
        DatasetError: See `Dataset.items`.
        ManifestError: An encoder is wrong.
    """
    items = list(dataset.items())
    encoded = encode_items(items, settings, modalities, cache, on_progress)
    features = encoded.features
    fusion = fusion_of(settings, encoded.specs)
    fused = fusion.fuse_batch(features)
    return Catalogue(
        vectors=tuple(
            _message(row, item, own, vector)
            for row, (item, own, vector) in enumerate(zip(items, features, fused, strict=True))
        ),
        space=fusion.space,
        modalities=Counter(modality for own in features for modality in own),
        refused=encoded.refused,
    )


@dataclass(frozen=True, slots=True)
class EncodedItems:
    """The vectors of items by modality.

    Attributes:
        specs: Modality → what its vectors are of.
        features: Of each item, modality → float32 [D] of unit length; without those that it lacks.
        refused: What could not be encoded, in words.
    """

    specs: Mapping[Modality, EncoderSpec]
    features: Sequence[Mapping[Modality, Vector]]
    refused: tuple[str, ...]


def encode_items(
    items: Sequence[DatasetItem],
    settings: Settings,
    modalities: Collection[Modality] = MODALITIES,
    cache: Path | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> EncodedItems:
    """Encode items' texts and media, as `build_catalogue` does.

    Raises:
        ManifestError: An encoder is wrong.
    """
    registry = encoder_registry(settings)
    chosen = [modality for modality in MODALITIES if modality in modalities]
    specs = {modality: _spec(modality, items, settings, registry) for modality in chosen}
    encoding = _Encoding(settings, registry, cache, on_progress, items, specs)
    features: list[dict[Modality, Vector]] = [{} for _ in items]
    for modality in chosen:
        for own, vector in zip(features, encoding.features(modality), strict=True):
            if vector is not None:
                own[modality] = vector
    return EncodedItems(specs, features, tuple(encoding.refused))


class _Encoding:
    """Encodes what items have, one modality after another."""

    def __init__(
        self,
        settings: Settings,
        registry: EncoderRegistry,
        cache: Path | None,
        on_progress: OnProgress,
        items: Sequence[DatasetItem],
        specs: Mapping[Modality, EncoderSpec],
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._cache = cache
        self._on_progress = on_progress
        self._items = items
        self._specs = specs
        self.refused: list[str] = []
        self._done = 0
        self._total = sum(self._is_encoded(modality, item) for modality in specs for item in items)

    def features(self, modality: Modality) -> list[Vector | None]:
        """The vector of each item, float32 [D] of unit length; None where it has none."""
        found: list[Vector | None] = [None] * len(self._items)
        cache = FeatureCache(self._cache, self._specs[modality])
        waiting: list[int] = []
        for row, item in enumerate(self._items):
            if modality in item.vectors:
                given = item.vectors[modality].values.astype(np.float64)
                found[row] = (given / np.linalg.norm(given)).astype(np.float32)
            elif self._is_encoded(modality, item):
                found[row] = cache.get(_content(modality, item, self._settings))
                if found[row] is None:
                    waiting.append(row)
                else:
                    self._advance(1)
        for begin in range(0, len(waiting), _BATCH_ITEMS):
            rows = waiting[begin : begin + _BATCH_ITEMS]
            for row, vector in zip(rows, self._encoded(modality, rows), strict=True):
                if vector is not None:
                    found[row] = vector
                    cache.put(_content(modality, self._items[row], self._settings), vector)
            self._advance(len(rows))
        cache.save()
        return found

    def _is_encoded(self, modality: Modality, item: DatasetItem) -> bool:
        if modality in item.vectors or self._specs[modality].name != self._settings.encoders.name_for(
            modality
        ):
            return False
        return bool(item.title or item.description) if modality == "text" else modality in item.media

    def _encoded(self, modality: Modality, rows: Sequence[int]) -> list[Vector | None]:
        encoder: Any = self._registry.get(self._specs[modality].name)
        if modality == "text":
            return list(encoder.encode([_text(self._items[row], self._settings) for row in rows]))
        inputs: list[Any] = []
        counts: list[int] = []
        for row in rows:
            decoded = self._decoded(modality, encoder, self._items[row])
            inputs += decoded
            counts.append(len(decoded))
        vectors = encoder.encode(inputs)
        ends = np.cumsum(counts)
        return [
            mean_direction(vectors[end - count : end]) if count else None
            for end, count in zip(ends.tolist(), counts, strict=True)
        ]

    def _decoded(self, modality: Modality, encoder: Any, item: DatasetItem) -> list[Any]:
        """What the encoder takes of each of the item's media; none where one of them cannot be decoded."""
        options = decoder_options(encoder, self._settings.media)
        options["limits"] = MediaLimits(**options["limits"])
        module, _, function = DECODERS[modality].partition(":")
        decode = getattr(import_module(module), function)
        media = item.media[modality][: self._settings.media.max_media_per_modality]
        try:
            decoded = [decode(data, **options) for data in media]
        except (MediaUnreadableError, MediaTooLargeError) as error:
            self.refused.append(f"{modality} of item {item.item_id}: {error.detail}")
            return []
        return [VideoInput(*one) for one in decoded] if modality == "video" else decoded

    def _advance(self, count: int) -> None:
        self._done += count
        self._on_progress(self._done, self._total)


def _spec(
    modality: Modality, items: Sequence[DatasetItem], settings: Settings, registry: EncoderRegistry
) -> EncoderSpec:
    """The encoder in use, unless the items bring vectors of another one."""
    name = settings.encoders.name_for(modality)
    for item in items:
        given = item.vectors.get(modality)
        if given is not None and given.encoder != name:
            # There is no network to take the digest of: the name stands for it.
            digest = sha256(given.encoder.encode()).hexdigest()
            return EncoderSpec(given.encoder, digest, len(given.values))
    return encoder_spec(registry, name)


def _text(item: DatasetItem, settings: Settings) -> str:
    return item_text(item.title, item.description, settings.media.text_max_characters)


def _content(modality: Modality, item: DatasetItem, settings: Settings) -> str:
    if modality == "text":
        return content_hash(_text(item, settings).encode("utf-8", "surrogatepass"))
    media = item.media[modality][: settings.media.max_media_per_modality]
    return content_hash(b"".join(content_hash(data).encode() for data in media))


def _message(
    row: int, item: DatasetItem, features: Mapping[Modality, Vector], vector: Vector | None
) -> ItemVector:
    return ItemVector(
        item_id=item.item_id,
        version=ItemVersion(1, 0, row, item.created_at_ms),
        revision=1,
        # In Kafka vectors have half precision: what is evaluated has lost the same.
        vector=None if vector is None else vector.astype("<f2").tobytes(),
        modalities=sorted(features),
        title=item.title,
        attributes=_plain(item.attributes),
        available=item.available,
        created_at=datetime.fromtimestamp(item.created_at_ms / 1_000, UTC),
    )


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in attributes.items()}
