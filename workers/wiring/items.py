"""Encode roles and fuse, wired."""

from __future__ import annotations

from collections.abc import Callable

from models.fusion import Fusion
from models.preprocessing.text import item_text
from streams.driver import RoleRunner
from streams.errors import ConfigurationError
from streams.fields import Modality
from streams.messages import Item
from workers.active_models import LoadedModel
from workers.defects import poison_to_dead_letters
from workers.encoders_in_use import encoder_registry, encoders_in_use, fusion_in_use
from workers.features_to_vectors import ItemFuser
from workers.fenced import FenceStartPositions
from workers.fused_spaces import FusedSpaces, PacedProcessor
from workers.item_enricher import ItemEnricher
from workers.items_to_features import ItemEncoder
from workers.language_model.enrichment import EnrichmentReader
from workers.language_model.metrics import LanguageModelMetrics
from workers.language_model.model import LanguageModel
from workers.media.reader import media_reader
from workers.micro_batcher import MicroBatcher
from workers.role_metrics import EncodeMetrics, FuseMetrics
from workers.wiring.around import Around, Wiring, utc_now
from workers.wiring.models import followed_models

# Of a space that is being made: what comes live to the same worker waits for one such batch at most.
BUILD_BATCH_RECORDS = 100


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
        enricher=await wire_enricher(around) if modality == "text" else None,
    )
    space = fusion_in_use(around.settings, registry).space
    return Wiring(f"{modality}.{space}", [around.topics.items], role)


async def wire_enricher(around: Around) -> ItemEnricher | None:
    """What tells more of items from their texts; None where that is off."""
    enrich, model = around.settings.enrich, around.settings.language_model
    if not enrich.enabled:
        return None
    opened = await around.resources.enter_async_context(LanguageModel(model, LanguageModelMetrics("enrich")))
    return ItemEnricher(
        EnrichmentReader(opened, enrich),
        backlog_items=enrich.backlog_items,
        cache_entries=enrich.cache_entries,
        concurrency=opened.concurrency,
    )


async def wire_fuse(around: Around) -> Wiring:
    """The fuse role: the space that serves, and beside it those that are kept."""
    models = await followed_models(around)
    role = _fuser(around, models.active.fusion)

    def make_runner(model: LoadedModel, share: Callable[[], float]) -> RoleRunner:
        beside = _fuser(around, model.fusion)
        worker = around.settings.worker.model_copy(update={"batch_records": BUILD_BATCH_RECORDS})
        return RoleRunner(
            around.settings.model_copy(update={"worker": worker}),
            beside.role,
            [around.topics.item_features],
            PacedProcessor(beside, share),
            on_poison=poison_to_dead_letters("fuse", around.topics, around.publisher),
            start_positions=FenceStartPositions(beside.role, around.store, beside.note_fences),
        )

    spaces = FusedSpaces(
        models.parts(around),
        main=models.active,
        make_runner=make_runner,
        start_anew=around.start_anew,
    )
    around.resources.push_async_callback(spaces.stop)
    await spaces.start()
    starts = FenceStartPositions(role.role, around.store, role.note_fences)
    return Wiring(role.role, [around.topics.item_features], role, starts)


def _fuser(around: Around, fusion: Fusion) -> ItemFuser:
    """The role's logic for one space."""
    return ItemFuser(
        f"fuse.{fusion.space}",
        fusion=fusion,
        encoders=encoders_in_use(around.settings),
        store=around.store,
        publisher=around.publisher,
        topics=around.topics,
        settings=around.settings,
        metrics=FuseMetrics(),
        on_set_back=around.set_back,
    )
