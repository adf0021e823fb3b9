"""The console's parts, running: what it reads of Kafka, what it holds, and what it publishes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog
from aiokafka import ConsumerRecord

from models.lifecycle import Lifecycle
from streams.codec import outgoing
from streams.errors import FreshetError
from streams.messages import Event, Item, RecommendationRequest
from streams.producer import Publisher
from streams.settings import MediaSettings, Settings
from streams.topic_names import TopicNames
from workers.console.catalogue import ConsoleCatalogue
from workers.console.flow_watch import FlowWatch
from workers.console.hub import Hub, user_channel
from workers.console.journeys import Journeys
from workers.console.letters import HELD_LETTERS, Letters
from workers.console.live_lists import LiveLists
from workers.console.people import People, shown_history
from workers.console.reports import Reports
from workers.console.topics_tail import Tailed, TopicsTail
from workers.console.vector_board import VectorBoard
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.media.fetch import MediaFetcher
from workers.media.fetch_settings import MediaFetchSettings
from workers.model_settings import ranking_settings
from workers.models_topic import taken
from workers.serving_space import serving_space, space_of

# An item is published again with each modality, and Kafka compacts late.
VECTOR_RECORDS_AN_ITEM = 3
# All of a topic of a few records a version; what is compacted counts as well.
MODEL_RECORDS = 100_000

_log = structlog.get_logger()


class Console:
    """An async context manager: entering it begins to follow the topics.

    Args:
        default_workers_file: Where `freshet up` says which workers run, unless the settings say.
    """

    def __init__(self, settings: Settings, default_workers_file: Path | None = None) -> None:
        console = settings.console
        self.settings = settings
        self.topics = TopicNames(settings.topics.prefix)
        fusion = self._start = fusion_in_use(settings, encoder_registry(settings))
        self.space = fusion.space
        self._models = Lifecycle()
        self._vectors: TopicsTail | None = None
        self._showing = asyncio.Lock()
        self._swaps: set[asyncio.Task[None]] = set()
        self.hub = Hub(console.max_streams, console.stream_messages)
        self.catalogue = ConsoleCatalogue(console.catalogue_items, console.media_cache_bytes)
        self.board = VectorBoard(console.catalogue_items, fusion.dimension)
        self.lists = LiveLists(self.hub, self.catalogue, time.monotonic, console.people)
        self.people = People(console.people, self._person_changed, self.lists.forget)
        self.journeys = Journeys(self.hub, self.lists, self.request)
        self.letters = Letters(settings, self.hub)
        self.flow = FlowWatch(settings, self.hub, fusion.space, default_workers_file)
        self.media = MediaFetcher(fetch_settings(settings.media))
        self.reports = Reports(console.reports)
        self._taste = ranking_settings(settings).taste
        self._publisher = Publisher(settings)
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Begin.

        Raises:
            ConfigurationError: The settings cannot work.
        """
        names, console = self.topics, self.settings.console
        live = TopicsTail(
            self.settings,
            "live",
            [
                Tailed(names.recommendations, self.lists.take_lists, console.people),
                Tailed(names.explanations, self.lists.take_words),
                Tailed(names.profiles, self.people.take, 2 * console.people),
                Tailed(names.dead_letters, self.letters.take, HELD_LETTERS),
                Tailed(names.models, self._take_models, MODEL_RECORDS),
            ],
        )
        catalogue = TopicsTail(
            self.settings,
            "catalogue",
            [
                Tailed(names.items, self.catalogue.take, console.catalogue_items),
                Tailed(names.item_features, self.journeys.take_features),
            ],
        )
        try:
            await self._resources.enter_async_context(self._publisher)
            await self._resources.enter_async_context(self.media)
            self._resources.push_async_callback(self._stop_vectors)
            await self._show_space(*await asyncio.to_thread(self._serving))
            for tail in (live, catalogue):
                self._resources.push_async_callback(tail.stop)
                await tail.start()
            watching = asyncio.create_task(self.flow.run(), name="flow")
            self._resources.callback(watching.cancel)
            self._resources.push_async_callback(self.journeys.stop)
        except BaseException:
            await self._resources.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        await self._resources.aclose()

    def _serving(self) -> tuple[str, int]:
        try:
            return serving_space(self.settings)
        except FreshetError as error:
            # The page says by itself that Kafka is away.
            _log.warning("which model serves cannot be told: taking the settings'", error=str(error))
            return self._start.space, self._start.dimension

    def _take_models(self, records: Sequence[ConsumerRecord]) -> None:
        """Follow the pointer of `models`: another space may serve from now on."""
        for record in records:
            self._models = taken(self._models, record.key, record.value, record.offset)
        space, dimension = space_of(self._models, self._models.active_ref, lambda: self._start)
        task = asyncio.create_task(self._show_space(space, dimension), name="space")
        self._swaps.add(task)
        task.add_done_callback(self._swaps.discard)

    async def _show_space(self, space: str, dimension: int) -> None:
        """Show the items of a vector space, from now on of no other."""
        async with self._showing:
            if self._vectors is not None:
                if space == self.space:
                    return
                _log.info("another vector space serves", before=self.space, now=space)
                await self._vectors.stop()
            items = self.settings.console.catalogue_items
            self.space, self.board = space, VectorBoard(items, dimension)
            topic = self.topics.item_vectors(space)
            tailed = Tailed(topic, self._take_vectors, VECTOR_RECORDS_AN_ITEM * items)
            self._vectors = TopicsTail(self.settings, "vectors", [tailed])
            await self._vectors.start()

    async def _stop_vectors(self) -> None:
        for task in self._swaps:
            task.cancel()
        await asyncio.gather(*self._swaps, return_exceptions=True)
        if self._vectors is not None:
            await self._vectors.stop()

    async def event(self, event: Event) -> None:
        """Publish what somebody did.

        Raises:
            DependencyDownError: Kafka does not take it.
        """
        self.lists.published(event.event_id)
        await self._publisher.publish([outgoing(self.topics.events, event)])

    async def request(self, request: RecommendationRequest) -> None:
        """Ask for a list; its answer comes to those who follow the person.

        Raises:
            DependencyDownError: Kafka does not take it.
        """
        self.lists.published(request.request_id, request.query or "")
        await self._publisher.publish([outgoing(self.topics.recommendation_requests, request)])

    async def item(self, item: Item) -> None:
        """Publish an item, and follow its way.

        Raises:
            DependencyDownError: Kafka does not take it.
            InvalidError: It is too large.
        """
        self.journeys.begin(item.item_id)
        await self._publisher.publish([outgoing(self.topics.items, item)])
        self.journeys.published(item.item_id)

    def person(self, user_id: str, item_ids: Sequence[str] = ()) -> dict[str, Any]:
        """Somebody as a page shows them: what they did, and where they are among the items."""
        profile = self.people.profile(user_id)
        now_ms = round(datetime.now(UTC).timestamp() * 1_000)
        view = self.board.person(profile, now_ms, self._taste, item_ids)
        history = shown_history(profile)
        named = {one["item_id"] for one in history} | set(view.nearest if view else ())
        return {
            "user_id": user_id,
            "version": profile.version,
            "history": history,
            "point": None if view is None else view.point,
            "nearest": [] if view is None else view.nearest,
            "likeness": {}
            if view is None
            else {one: round(value, 4) for one, value in view.likeness.items()},
            "items": self.catalogue.shown(named),
        }

    def _person_changed(self, user_id: str) -> None:
        channel = user_channel(user_id)
        if self.hub.has_followers(channel):
            self.hub.publish(channel, "person", self.person(user_id))

    def _take_vectors(self, records: Sequence[ConsumerRecord]) -> None:
        self.board.take(records)
        self.journeys.take_vectors(records)


def fetch_settings(media: MediaSettings) -> MediaFetchSettings:
    """What the console may fetch to show it: what workers may, within one deadline and without retries."""
    return MediaFetchSettings(
        roots=media.file_roots,
        allowed_hosts=media.allowed_hosts,
        allow_private_addresses=media.allow_private_addresses,
        allowed_schemes=frozenset(media.allowed_schemes),
        max_bytes=max(media.image_max_bytes, media.audio_max_bytes),
        inline_max_bytes=media.inline_max_bytes,
        deadline_s=media.fetch_deadline_s,
        attempts=1,
        max_redirects=media.max_redirects,
    )
