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

import msgspec
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


def _enriched(declared: ItemDeclared, enrichment: Enrichment | None) -> ItemDeclared:
    """With what a model has told; what the publisher says of the same stays."""
    if not enrichment:
        return declared
    attributes = enrichment.attributes | declared.attributes
    return msgspec.structs.replace(declared, attributes=attributes, enriched=True)


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
        text, enrichment = self._told(work.item, state)
        declared = self._declare(work) if self._validates else None
        if declared is not None:
            await self._publish([self._record(_enriched(declared, enrichment))])
        if work.item is None:
            # So that compaction forgets the feature; the declaration stays, as a mark of the withdrawal.
            records = [withdrawn_feature(self._topics, self._settings, work.item_id, self._modality)]
        else:
            source = source_hash(work.item, self._modality, self._settings)
            if source is not None:
                records = await self._feature_records(work, work.item, source, state, text, enrichment)
        if records:
            await self._publish(records)
        work.delivery.done()
        if self._enricher is not None and declared is not None and text and enrichment is None:
            # What waits may wait for long: it holds neither the message nor its media.
            is_encoded = work.item is not None and self._modality not in work.item.vectors
            self._enricher.later(text, partial(self._update, declared, text, is_encoded))

    def _told(self, item: Item | None, state: ItemState) -> tuple[str, Enrichment | None]:
        """The item's text, and what is told of it already; None where nobody has been asked."""
        if item is None or self._enricher is None or self._read_text is None:
            return "", None
        text = self._read_text(item)
        known = self._enricher.known(text)
        if known is None and state.enriched and not state.withdrawn and self._modality not in item.vectors:
            source = source_hash(item, self._modality, self._settings)
            if source is not None and state.sources.get(self._modality) == source:
                known = Enrichment.held_in(state.attributes)
        return text, known

    async def _update(
        self, declared: ItemDeclared, text: str, is_encoded: bool, enrichment: Enrichment
    ) -> None:
        """Declare the item again, with what was told of it; a newer version of the item is not touched."""
        records = [self._record(_enriched(declared, enrichment))]
        source = declared.sources.get(self._modality)
        if self._settings.enrich.in_text and is_encoded and source is not None:
            read, content = self._read_with(text, source, enrichment)
            try:
                vector = (await self._batcher.encode(read)).tobytes()
            except BadInputError as error:
                # The vector of the text as it came is good, and stays.
                self._metrics.failed(error.reason)
                _log.warning("an enriched text cannot be encoded", item_id=declared.item_id, error=str(error))
            else:
                self._metrics.encoded()
                feature = self._feature(declared.item_id, declared.version, source, content, vector)
                records.append(self._record(feature))
        await self._publish(records)

    def _read_with(self, text: str, source: str, enrichment: Enrichment | None) -> tuple[str, str]:
        """What the text encoder reads, and its content hash."""
        if not enrichment or not self._settings.enrich.in_text:
            return text, source
        read = item_text(text, enrichment.words)
        return read, content_hash(read.encode("utf-8", "surrogatepass"))

    def _declare(self, work: _Work) -> ItemDeclared:
        item = work.item
        if item is None:
            return ItemDeclared(item_id=work.item_id, version=work.version, withdrawn=True)
        return ItemDeclared(
            item_id=item.item_id,
            version=work.version,
            title=item.title,
            attributes=item.attributes,
            available=item.available,
            created_at=item.created_at,
            sources=declared_sources(item, self._settings),
        )

    async def _feature_records(
        self,
        work: _Work,
        item: Item,
        source: str,
        state: ItemState,
        text: str,
        enrichment: Enrichment | None,
    ) -> list[Outgoing]:
        """The feature, or the dead letter and the note that there is none."""
        try:
            content, vector = await self._vector(item, source, state, text, enrichment)
        except BadInputError as error:
            if enrichment:
                # What a model has said must not cost the item its vector.
                return await self._feature_records(work, item, source, state, text, None)
            self._metrics.failed(error.reason)
            failed = ItemFeatureFailed(
                item_id=item.item_id,
                version=work.version,
                modality=self._modality,
                encoder=self._encoder_name,
                source_hash=source,
            )
            return [self._record(failed), self._dead_letter(work.delivery.record, error)]
        return [self._record(self._feature(item.item_id, work.version, source, content, vector))]

    def _feature(
        self, item_id: str, version: ItemVersion, source: str, content: str, vector: bytes
    ) -> ItemFeature:
        return ItemFeature(
            item_id=item_id,
            version=version,
            modality=self._modality,
            encoder=self._encoder_name,
            source_hash=source,
            content_hash=content,
            vector=vector,
        )

    async def _vector(
        self, item: Item, source: str, state: ItemState, text: str, enrichment: Enrichment | None
    ) -> tuple[str, bytes]:
        """Content hash and vector bytes; those held already where the content has not changed."""
        held = state.features.get(self._modality)
        if held is not None and held.encoder != self._encoder_name:
            held = None
        by_uri = any(media.uri is not None for media in self._media_of(item))
        is_read = self._read_text is not None and self._modality not in item.vectors
        # Of one source the text may be read as it came, or with what a model has told of it.
        read, content = self._read_with(text, source, enrichment) if is_read else (text, source)
        is_same = held is not None and held.source_hash == source and not by_uri
        if held is not None and is_same and (not is_read or held.content_hash == content):
            self._metrics.unchanged()
            return held.content_hash, held.vector
        if self._modality in item.vectors:
            vector = caller_vector(item, self._modality, self._encoder_name, self._dimension)
            return source, vector.tobytes()
        if self._read_text is not None:
            vector = await self._batcher.encode(read or self._read_text(item))
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
