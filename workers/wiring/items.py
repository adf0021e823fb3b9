"""Encode roles and fuse, wired."""

from __future__ import annotations

from models.preprocessing.text import item_text
from streams.errors import ConfigurationError
from streams.fields import Modality
from streams.messages import Item
from workers.encoders_in_use import encoder_registry, encoders_in_use, fusion_in_use
from workers.features_to_vectors import ItemFuser
from workers.fenced import FenceStartPositions
from workers.item_enricher import ItemEnricher
from workers.items_to_features import ItemEncoder
from workers.language_model.enrichment import EnrichmentReader
from workers.language_model.metrics import LanguageModelMetrics
from workers.language_model.model import LanguageModel
from workers.media.reader import media_reader
from workers.micro_batcher import MicroBatcher
from workers.role_metrics import EncodeMetrics, FuseMetrics
from workers.wiring.around import Around, Wiring, utc_now


async def wire_encoder(modality: Modality, around: Around) -> Wiring:
    """The encode role of a modality."""
    registry = encoder_registry(around.settings)
    encoder = registry.get(around.settings.encoders.name_for(modality))
    if encoder.modality != modality:
        raise ConfigurationError(
            f"setting `encoders.{modality}` names `{encoder.name}`, which encodes {encoder.modality}"
        )
    metrics = EncodeMetrics(modality)
    batcher: MicroBatcher[object] = MicroBatcher(
        encoder.encode,
        max_batch=around.settings.encoders.batch_size,
        max_wait_s=around.settings.encoders.batch_wait_ms / 1_000,
        on_batch=metrics.batch,
    )
    media = None
    if modality != "text":
        media = await around.resources.enter_async_context(media_reader(encoder, around.settings))

    def read_text(item: Item) -> str:
        return item_text(item.title, item.description, around.settings.media.text_max_characters)

    role = ItemEncoder(
        modality=modality,
        encoder_name=encoder.name,
        dimension=encoder.dimension,
        batcher=batcher,
        read_text=read_text if modality == "text" else None,
        media=media,
        store=around.store,
        publisher=around.publisher,
        topics=around.topics,
        settings=around.settings,
        now=utc_now,
        metrics=metrics,
        enricher=await _wire_enricher(around) if modality == "text" else None,
    )
    space = fusion_in_use(around.settings, registry).space
    return Wiring(f"{modality}.{space}", [around.topics.items], role)


async def _wire_enricher(around: Around) -> ItemEnricher | None:
    """What tells more of items from their texts; None where that is off."""
    enrich, model = around.settings.enrich, around.settings.language_model
    if not enrich.enabled:
        return None
    opened = await around.resources.enter_async_context(LanguageModel(model, LanguageModelMetrics()))
    return ItemEnricher(
        EnrichmentReader(opened, enrich),
        backlog_items=enrich.backlog_items,
        cache_entries=enrich.cache_entries,
        concurrency=model.concurrency,
    )


def wire_fuse(around: Around) -> Wiring:
    """The fuse role."""
    fusion = fusion_in_use(around.settings, encoder_registry(around.settings))
    group = f"fuse.{fusion.space}"
    role = ItemFuser(
        group,
        fusion=fusion,
        encoders=encoders_in_use(around.settings),
        store=around.store,
        publisher=around.publisher,
        topics=around.topics,
        settings=around.settings,
        metrics=FuseMetrics(),
        on_set_back=around.start_anew,
    )
    return Wiring(
        group, [around.topics.item_features], role, FenceStartPositions(group, around.store, role.note_fences)
    )
