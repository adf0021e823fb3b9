"""What reads the words that requests ask in, wired."""

from __future__ import annotations

from contextlib import AsyncExitStack

from models.encoders.registry import EncoderRegistry
from models.fusion import Fusion
from streams.errors import ConfigurationError
from streams.settings import Settings
from workers.language_model.negations import NegationReader
from workers.live_space import LiveQueries
from workers.micro_batcher import MicroBatcher
from workers.query_reader import QueriesOff, QueryReader, ReadsQueries
from workers.wiring.language_model import WorkersLanguageModel


async def wire_queries(
    settings: Settings,
    registry: EncoderRegistry,
    fusion: Fusion,
    resources: AsyncExitStack,
    language_model: WorkersLanguageModel,
) -> LiveQueries:
    """What reads queries, into the space of a fusion that may be replaced.

    The encoder is loaded at the first query, on the batcher's thread.
    """
    query = settings.query
    if not query.enabled:
        return LiveQueries(lambda fusion: QueriesOff(), fusion)
    separates = None
    if query.negations == "language_model":
        if "query" not in settings.language_model.personal_fields:
            raise ConfigurationError(
                "query.negations is `language_model`, and would be told what people ask for: add `query` to "
                "language_model.personal_fields, or set query.negations to `stated`"
            )
        separates = NegationReader(await language_model.open("query"), query.timeout_ms / 1_000)
    name = settings.encoders.text
    batcher: MicroBatcher[str] = MicroBatcher(
        lambda texts: registry.get(name).encode(texts),
        max_batch=settings.encoders.batch_size,
        max_wait_s=0.0,
    )
    resources.push_async_callback(batcher.stop)
    await batcher.start()

    def reader(fusion: Fusion) -> ReadsQueries:
        return QueryReader(
            query, batcher.encode, lambda feature: fusion.fuse({"text": feature}), separates, fusion.space
        )

    return LiveQueries(reader, fusion)
