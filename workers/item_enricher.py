"""Items that wait to be enriched by a language model: beside the stream, a bounded number, each text once.

An item that waits when the worker ends is enriched with its next version: what it has come with is done.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Literal, Protocol

import structlog

from streams.metrics import counter, gauge
from workers.item_sources import content_hash
from workers.language_model.enrichment import Enrichment
from workers.language_model.transport import NoAnswerError

EnrichOutcome = Literal["enriched", "nothing_said", "no_answer", "no_room", "failed"]
ENRICHED = counter(
    "freshet_items_enriched_total",
    "items",
    "Items that a language model was to enrich, by outcome: enriched; as they came because it said nothing "
    "that may be kept (nothing_said), gave no answer (no_answer), too many waited (no_room), or what it said "
    "could not be published (failed). Texts known before are not counted.",
    ("outcome",),
)
WAITING = gauge("freshet_items_to_enrich", "items", "Items that wait for the language model.")

Publish = Callable[[Enrichment], Awaitable[None]]
# Between tries while the model may not be asked, doubling; a budget of tokens may be used up for hours.
FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 15.0
_log = structlog.get_logger()


class ReadsEnrichment(Protocol):
    """Reads a text."""

    async def read(self, text: str) -> Enrichment | None:
        """See `EnrichmentReader.read`; raises `NoAnswerError` where nobody may be asked now."""


class ItemEnricher:
    """Enriches items one after the other.

    Args:
        backlog_items: How many wait at most.
        cache_entries: Texts whose enrichment is kept.
        concurrency: Items that are worked on at a time.
    """

    def __init__(
        self, reader: ReadsEnrichment, *, backlog_items: int, cache_entries: int, concurrency: int
    ) -> None:
        self._reader = reader
        self._cache_entries = cache_entries
        self._concurrency = concurrency
        self._cache: OrderedDict[str, Enrichment] = OrderedDict()
        self._waiting: asyncio.Queue[tuple[str, Publish]] = asyncio.Queue(backlog_items)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to work on what waits."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._concurrency)]

    async def stop(self) -> None:
        """Leave what waits."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def known(self, text: str) -> Enrichment | None:
        """What has been said of a text before; None where nobody has been asked."""
        key = content_hash(text.encode("utf-8", "surrogatepass"))
        found = self._cache.get(key)
        if found is not None:
            self._cache.move_to_end(key)
        return found

    def later(self, text: str, publish: Publish) -> None:
        """Have a text read, and what is said of it published where it is something."""
        try:
            self._waiting.put_nowait((text, publish))
        except asyncio.QueueFull:
            ENRICHED.labels("no_room").inc()
        WAITING.set(self._waiting.qsize())

    async def _work(self) -> None:
        while True:
            text, publish = await self._waiting.get()
            WAITING.set(self._waiting.qsize())
            try:
                outcome = await self._when_asked(text, publish)
            except Exception:
                # Nobody awaits this task: one item must not leave the others without.
                _log.exception("an item could not be enriched")
                outcome = "failed"
            ENRICHED.labels(outcome).inc()
            # What is known of a text is told without waiting: others get their turn all the same.
            await asyncio.sleep(0)

    async def _when_asked(self, text: str, publish: Publish) -> EnrichOutcome:
        """Enrich, as soon as the model may be asked: until then the item is kept, and others behind it."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                return await self._enrich(text, publish)
            except NoAnswerError as error:
                _log.debug("an item waits until the model may be asked", because=error.outcome)
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _enrich(self, text: str, publish: Publish) -> EnrichOutcome:
        found = self.known(text)
        if found is None:
            found = await self._reader.read(text)
            if found is None:
                return "no_answer"
            self._keep(text, found)
        if not found:
            return "nothing_said"
        await publish(found)
        return "enriched"

    def _keep(self, text: str, found: Enrichment) -> None:
        if not self._cache_entries:
            return
        self._cache[content_hash(text.encode("utf-8", "surrogatepass"))] = found
        if len(self._cache) > self._cache_entries:
            self._cache.popitem(last=False)
