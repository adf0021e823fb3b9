"""The encode roles: items in, one feature a modality out.

The text role is also the validating reader of `items`: it declares what every valid message says, and
writes the dead letter of every invalid one. The other roles report only media of their own.

Items are independent of each other: a slow download holds back its own item alone. What bounds the work
in flight is the driver, which stops fetching while too much is not done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import structlog

from models.encoders.encoder import mean_direction
from models.preprocessing.text import item_text
from streams.codec import decode_record, withdrawn_id
from streams.dead_letters import dead_letter_outgoing
from streams.errors import BadInputError, ModelFailedError
from streams.fields import Modality
from streams.internal_messages import (
    FeatureMessage,
    ItemDeclared,
    ItemFeature,
    ItemFeatureFailed,
    ItemVersion,
)
from streams.messages import Item, Media
from streams.records import Outgoing, Record
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.backoff import while_down
from workers.caller_vectors import caller_vector
from workers.feature_records import feature_record, withdrawn_feature
from workers.item_enricher import ItemEnricher
from workers.item_sources import content_hash, declared_sources, media_of, source_hash
from workers.language_model.enrichment import Enrichment
from workers.micro_batcher import MicroBatcher
from workers.ports import Delivery, Publisher
from workers.role_metrics import EncodeMetrics
from workers.state.item import ItemState, StoredFeature, decode_item_state, item_key
from workers.state.store import StateStore

# JSON of this size takes about a millisecond to parse: more than that does not belong on the event loop.
PARSE_INLINE_BYTES = 256 * 1_024
# What may be fetched and not decoded yet, were every item's file as large as is allowed. The driver's budget
# counts the messages alone, and a message of 100 bytes can name a film.
MAX_FETCHED_BYTES = 1 << 30

_log = structlog.get_logger()


class MediaReader(Protocol):
    """Gets at media: fetches bytes, and decodes them to what the encoder takes."""

    async def fetch(self, media: Media) -> bytes:
        """The media's bytes. Raises BadInputError or DependencyDownError."""

    async def decode(self, data: bytes) -> Any:
        """The encoder's input. Raises BadInputError."""


@dataclass(frozen=True, slots=True)
class _Work:
    """A valid message of `items` that may hold something for this role. ``item`` None withdraws."""

    delivery: Delivery
    item_id: str
    version: ItemVersion
    item: Item | None


class ItemEncoder:
    """One encode role.

    Args:
        modality: What it encodes.
        encoder_name: The encoder in use, which every feature names.
        dimension: Of the encoder's vectors; a caller's vector must have it.
        batcher: Encodes single inputs in batches.
        read_text: For the text role, item to cleaned text; None for the others.
        media: For the other roles, how media are read.
        enricher: For the text role, what tells more of items from their texts; None, and nothing does.
    """

    def __init__(
        self,
        *,
        modality: Modality,
        encoder_name: str,
        dimension: int,
        batcher: MicroBatcher[Any],
        read_text: Callable[[Item], str] | None,
        media: MediaReader | None,
        store: StateStore,
        publisher: Publisher,
        topics: TopicNames,
        settings: Settings,
        now: Callable[[], datetime],
        metrics: EncodeMetrics,
        enricher: ItemEnricher | None = None,
    ) -> None:
        self._modality: Modality = modality
        self._encoder_name = encoder_name
        self._dimension = dimension
        self._batcher = batcher
        self._read_text = read_text
        self._media = media
        self._store = store
        self._publisher = publisher
        self._topics = topics
        self._settings = settings
        self._now = now
        self._metrics = metrics
        self._stage = f"encode-{modality}"
        self._validates = modality == "text"
        self._enricher = enricher
        self._generations: dict[str, int] = {}
        max_bytes = 1 if modality == "text" else int(getattr(settings.media, f"{modality}_max_bytes"))
        self._fetching = asyncio.Semaphore(max(1, MAX_FETCHED_BYTES // max_bytes))
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start the batches."""
        await self._batcher.start()
        if self._enricher is not None:
            await self._enricher.start()

    async def stop(self) -> None:
        """Cancel what is in flight: it is not done, and is delivered again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._enricher is not None:
            await self._enricher.stop()
        await self._batcher.stop()

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        """Hand each item to a task of its own; returns before they are done.

        Raises:
            DependencyDownError: State cannot be read; nothing was begun.
        """
        # Asked for each batch: state that is lost while workers run gives other ones.
        lives = {delivery.record.topic_uuid: delivery.record.topic for delivery in deliveries}
        self._generations = {uuid: await self._store.generation(topic, uuid) for uuid, topic in lives.items()}
        if sum(delivery.record.size_bytes for delivery in deliveries) > PARSE_INLINE_BYTES:
            parsed = await asyncio.to_thread(self._parse, deliveries)
        else:
            parsed = self._parse(deliveries)
        for delivery, entry in zip(deliveries, parsed, strict=True):
            if entry is None:
                # Here, and not where it is parsed: that may be another thread than the deliveries live in.
                delivery.done()
        work = [entry for entry in parsed if isinstance(entry, _Work)]
        stored = await self._store.load([item_key(entry.item_id) for entry in work])
        for entry in parsed:
            if isinstance(entry, tuple):
                self._spawn(self._refuse(*entry))
        for entry, value in zip(work, stored, strict=True):
            self._spawn(self._finish(entry, decode_item_state(value)))

    def _parse(self, deliveries: Sequence[Delivery]) -> list[_Work | tuple[Delivery, BadInputError] | None]:
        return [self._parse_one(delivery) for delivery in deliveries]

    def _parse_one(self, delivery: Delivery) -> _Work | tuple[Delivery, BadInputError] | None:
        """What to do, or with whom to refuse it; None where it is no business of this role."""
        record = delivery.record
        version = ItemVersion(
            self._generations[record.topic_uuid], record.partition, record.offset, record.timestamp_ms
        )
        try:
            if record.value is None:
                item, item_id = None, withdrawn_id(record)
            else:
                item = decode_record(record, Item)
                item_id = item.item_id
        except BadInputError as error:
            if self._validates:
                return delivery, error
            return None
        mine = item is None or source_hash(item, self._modality, self._settings) is not None
        if not (self._validates or mine):
            return None
        return _Work(delivery, item_id, version, item)

    async def _finish(self, work: _Work, state: ItemState) -> None:
        try:
            await self._encode_item(work, state)
        except Exception as error:
            # A defect of ours costs this item alone, and is seen: in the log, and as a dead letter.
            _log.exception("defect while encoding an item", item_id=work.item_id, stage=self._stage)
            await self._refuse(work.delivery, ModelFailedError(f"{type(error).__name__}: {error}"))

    async def _encode_item(self, work: _Work, state: ItemState) -> None:
        records: list[Outgoing] = []
        enrichment = None if work.item is None else self._enrichment(work.item)
        if self._validates:
            await self._publish([self._record(self._declare(work, enrichment))])
        if work.item is None:
            # So that compaction forgets the feature; the declaration stays, as a mark of the withdrawal.
            records = [withdrawn_feature(self._topics, self._settings, work.item_id, self._modality)]
        else:
            source = source_hash(work.item, self._modality, self._settings)
            if source is not None:
                records = await self._feature_records(work, work.item, source, state, enrichment)
        if records:
            await self._publish(records)
        work.delivery.done()
        if work.item is not None:
            self._enrich_later(work, work.item)

    def _enrichment(self, item: Item) -> Enrichment | None:
        """What is told of the item's text already."""
        if self._enricher is None or self._read_text is None:
            return None
        return self._enricher.known(self._read_text(item)) or None

    def _enrich_later(self, work: _Work, item: Item) -> None:
        """Where nobody has been asked of the item's text: its enrichment follows as an update."""
        if self._enricher is None or self._read_text is None:
            return
        text = self._read_text(item)
        if text and self._enricher.known(text) is None:
            self._enricher.later(text, lambda found: self._update(work, item, found))

    async def _update(self, work: _Work, item: Item, enrichment: Enrichment) -> None:
        """Declare the item again, with what was told of it; a newer version of the item is not touched."""
        records = [self._record(self._declare(work, enrichment))]
        source = source_hash(item, self._modality, self._settings)
        if self._settings.enrich.in_text and source is not None and self._modality not in item.vectors:
            records += await self._feature_records(work, item, source, ItemState(), enrichment)
        await self._publish(records)

    def _declare(self, work: _Work, enrichment: Enrichment | None = None) -> ItemDeclared:
        item = work.item
        if item is None:
            return ItemDeclared(item_id=work.item_id, version=work.version, withdrawn=True)
        return ItemDeclared(
            item_id=item.item_id,
            version=work.version,
            title=item.title,
            attributes=item.attributes if enrichment is None else enrichment.attributes | item.attributes,
            available=item.available,
            created_at=item.created_at,
            sources=declared_sources(item, self._settings),
            enriched=enrichment is not None,
        )

    async def _feature_records(
        self,
        work: _Work,
        item: Item,
        source: str,
        state: ItemState,
        enrichment: Enrichment | None = None,
    ) -> list[Outgoing]:
        """The feature, or the dead letter and the note that there is none."""
        try:
            content, vector = await self._vector(item, source, state, enrichment)
        except BadInputError as error:
            self._metrics.failed(error.reason)
            failed = ItemFeatureFailed(
                item_id=item.item_id,
                version=work.version,
                modality=self._modality,
                encoder=self._encoder_name,
                source_hash=source,
            )
            return [self._record(failed), self._dead_letter(work.delivery.record, error)]
        feature = ItemFeature(
            item_id=item.item_id,
            version=work.version,
            modality=self._modality,
            encoder=self._encoder_name,
            source_hash=source,
            content_hash=content,
            vector=vector,
        )
        return [self._record(feature)]

    async def _vector(
        self, item: Item, source: str, state: ItemState, enrichment: Enrichment | None = None
    ) -> tuple[str, bytes]:
        """Content hash and vector bytes; those held already where the content has not changed."""
        held = state.features.get(self._modality)
        if held is not None and held.encoder != self._encoder_name:
            held = None
        by_uri = any(media.uri is not None for media in self._media_of(item))
        if held is not None and held.source_hash == source and not by_uri:
            self._metrics.unchanged()
            return held.content_hash, held.vector
        if self._modality in item.vectors:
            vector = caller_vector(item, self._modality, self._encoder_name, self._dimension)
            return source, vector.tobytes()
        if self._read_text is not None:
            text, content = self._read_text(item), source
            if enrichment is not None and self._settings.enrich.in_text:
                text = item_text(text, enrichment.words)
                content = content_hash(text.encode("utf-8", "surrogatepass"))
            vector = await self._batcher.encode(text)
            self._metrics.encoded()
            return content, vector.tobytes()
        # Inline media are counted with their message.
        async with self._fetching if by_uri else nullcontext():
            return await self._media_vector(item, held)

    def _media_of(self, item: Item) -> list[Media]:
        if self._modality == "text" or self._modality in item.vectors:
            return []
        return media_of(item, self._modality, self._settings)

    async def _media_vector(self, item: Item, held: StoredFeature | None) -> tuple[str, bytes]:
        """Fetch, decode and encode the item's media; several of a kind become their mean direction."""
        reader = self._media
        if reader is None:
            raise ModelFailedError(f"the {self._modality} role reads no media")
        data = [await while_down("fetch", partial(reader.fetch, one)) for one in self._media_of(item)]
        content = content_hash(b"".join(content_hash(part).encode() for part in data))
        if held is not None and held.content_hash == content:
            self._metrics.unchanged()
            return content, held.vector
        vectors = [await self._batcher.encode(await reader.decode(part)) for part in data]
        self._metrics.encoded()
        return content, mean_direction(vectors).astype("<f4").tobytes()

    async def _refuse(self, delivery: Delivery, error: BadInputError) -> None:
        self._metrics.failed(error.reason)
        await self._publish([self._dead_letter(delivery.record, error)])
        delivery.done()

    def _dead_letter(self, record: Record, error: BadInputError) -> Outgoing:
        return dead_letter_outgoing(self._topics.dead_letters, record, self._stage, error, self._now())

    def _record(self, message: FeatureMessage) -> Outgoing:
        return feature_record(self._topics, self._settings, message)

    async def _publish(self, records: list[Outgoing]) -> None:
        await while_down("publish", lambda: self._publisher.publish(records))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
