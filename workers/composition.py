"""The composition root: from settings to a running role. Nothing else wires parts together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from aiokafka import ConsumerRecord

from models.cascade.cascade import Cascade
from models.cascade.learner import Learner
from models.preprocessing.text import item_text
from models.retrieval import ItemIndex
from streams.dead_letters import dead_letter_outgoing
from streams.driver import Delivery, Processor, RoleRunner, SourcePartition, StartPositions
from streams.errors import ConfigurationError, DependencyDownError, ModelFailedError
from streams.fields import Modality
from streams.health import HealthServer
from streams.internal_messages import ProfileChanged
from streams.messages import Item
from streams.producer import Publisher as KafkaPublisher
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.arm_lists import ArmLists, uses_cascade
from workers.backoff import while_down
from workers.encoders_in_use import encoder_registry, encoders_in_use, fusion_in_use
from workers.events_to_profiles import ProfileUpdater
from workers.experiments import Experiment
from workers.features_to_vectors import ItemFuser
from workers.fenced import FenceStartPositions
from workers.items_to_features import ItemEncoder
from workers.join_metrics import JoinMetrics
from workers.learned_models import LearnedReader
from workers.lists_to_outcomes import OutcomeJoiner
from workers.media.reader import media_reader
from workers.metered import MeteredProcessor, MeteredPublisher
from workers.micro_batcher import MicroBatcher
from workers.model_settings import cascade_settings, learn_settings
from workers.popularity import PopularityFollower
from workers.ports import Publisher
from workers.profiles_to_interactions import InteractionUpdater, Step
from workers.profiles_to_recommendations import Recommender
from workers.profiles_to_weights import WRITER_STATE, LearningModels, WeightsWriter, WriterElection
from workers.rebuild import restore_profiles
from workers.role_metrics import EncodeMetrics, FuseMetrics, LearnMetrics, ProfileMetrics, RecommendMetrics
from workers.roles import ROLES, Role
from workers.state.redis_store import RedisStateStore
from workers.stoppable import unless_stopped
from workers.topic_follower import TopicFollower
from workers.vectors_to_index import IndexFollower

# Changed profiles taken in one turn of the event loop, each some tenths of a millisecond.
PEOPLE_AT_ONCE = 16

_log = structlog.get_logger()


def utc_now() -> datetime:
    """The clock of a worker."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Wiring:
    """A role's parts, before its runner.

    ``group`` names the consumer group after the prefix; encode roles and fuse carry the vector space in
    it, so that other encoders or another fusion read everything anew.
    """

    group: str
    topics: Sequence[str]
    processor: Processor
    start_positions: StartPositions | None = None


async def run_role(role: Role, settings: Settings, stop: asyncio.Event, ready: Callable[[int], None]) -> None:
    """Run one role in this process until ``stop``.

    Args:
        ready: Told the port of the health endpoint, once it listens.

    Raises:
        ConfigurationError: The settings cannot work: says which.
    """
    if role not in ROLES:
        raise ConfigurationError(f"there is no role `{role}`; there are {', '.join(ROLES)}")
    async with AsyncExitStack() as resources:
        topics = TopicNames(settings.topics.prefix)
        store = RedisStateStore(settings.redis, settings.topics.prefix)
        resources.push_async_callback(store.aclose)
        health = await resources.enter_async_context(HealthServer(settings, role))
        ready(health.port)
        await unless_stopped(stop, while_down("start", store.check))
        kafka = await resources.enter_async_context(KafkaPublisher(settings))
        publisher = MeteredPublisher(kafka, role, topics.dead_letters)
        is_lost = False
        gaps: set[tuple[SourcePartition, int]] = set()
        while not stop.is_set():
            is_lost = await _run_once(role, settings, topics, store, publisher, health, stop, is_lost, gaps)


async def _run_once(
    role: Role,
    settings: Settings,
    topics: TopicNames,
    store: RedisStateStore,
    publisher: Publisher,
    health: HealthServer,
    stop: asyncio.Event,
    is_lost: bool,
    gaps: set[tuple[SourcePartition, int]],
) -> bool:
    """Run until ``stop``, or until the state was set back and the role must start from there.

    ``is_lost`` says that state was found to be gone, and what is returned whether it is now. ``gaps`` holds
    the positions past retention that were answered with a restoration already.
    """
    again = asyncio.Event()
    lost = asyncio.Event()

    def start_anew(now_lost: bool) -> None:
        if now_lost:
            lost.set()
        again.set()

    def on_gap(source: SourcePartition, wanted: int, _: int) -> None:
        # Kafka has the events no more that would bring older state up to date; `profiles` has what they did.
        # From 0 reading starts where there is no fence: then all profiles were restored at the start.
        if role == "profile" and wanted > 0 and (source, wanted) not in gaps:
            gaps.add((source, wanted))
            start_anew(True)
        if again.is_set():
            # No event before that: the state that it would change is about to be replaced.
            raise DependencyDownError("profiles are restored first")

    async with AsyncExitStack() as resources:
        wiring = await unless_stopped(
            stop, _wire(role, settings, topics, store, publisher, start_anew, is_lost, resources)
        )
        if wiring is None:
            return False

        async def to_dead_letters(delivery: Delivery, error: Exception) -> None:
            """What our own defect does to a message must not stop the others, nor vanish."""
            _log.error("defect: a message cannot be processed", role=role, exc_info=error)
            failure = ModelFailedError(f"defect in role {role}: {type(error).__name__}: {error}")
            letter = dead_letter_outgoing(topics.dead_letters, delivery.record, role, failure, utc_now())
            await publisher.publish([letter])

        runner = RoleRunner(
            settings,
            wiring.group,
            wiring.topics,
            MeteredProcessor(wiring.processor, role),
            on_poison=to_dead_letters,
            start_positions=wiring.start_positions,
            on_gap=on_gap,
        )
        health.watch(runner)
        running = asyncio.create_task(runner.run())
        waiting = [asyncio.create_task(stop.wait()), asyncio.create_task(again.wait())]
        await asyncio.wait([running, *waiting], return_when=asyncio.FIRST_COMPLETED)
        runner.stop()
        for task in waiting:
            task.cancel()
        await running
    return lost.is_set()


async def _wire(
    role: Role,
    settings: Settings,
    topics: TopicNames,
    store: RedisStateStore,
    publisher: Publisher,
    start_anew: Callable[[bool], None],
    is_lost: bool,
    resources: AsyncExitStack,
) -> Wiring:
    match role:
        case "text" | "image" | "audio" | "video":
            return await _wire_encoder(role, settings, topics, store, publisher, resources)
        case "fuse":
            return _wire_fuse(settings, topics, store, publisher, start_anew)
        case "profile":
            return await _wire_profile(settings, topics, store, publisher, start_anew, is_lost)
        case "recommend":
            return await _wire_recommend(settings, topics, store, publisher, resources)
        case "learn":
            return _wire_learn(settings, topics, publisher)
        case "join":
            return _wire_join(settings, topics, store, publisher, start_anew)


async def _wire_encoder(
    modality: Modality,
    settings: Settings,
    topics: TopicNames,
    store: RedisStateStore,
    publisher: Publisher,
    resources: AsyncExitStack,
) -> Wiring:
    registry = encoder_registry(settings)
    encoder = registry.get(settings.encoders.name_for(modality))
    if encoder.modality != modality:
        raise ConfigurationError(
            f"setting `encoders.{modality}` names `{encoder.name}`, which encodes {encoder.modality}"
        )
    metrics = EncodeMetrics(modality)
    batcher: MicroBatcher[object] = MicroBatcher(
        encoder.encode,
        max_batch=settings.encoders.batch_size,
        max_wait_s=settings.encoders.batch_wait_ms / 1_000,
        on_batch=metrics.batch,
    )
    media = None
    if modality != "text":
        media = await resources.enter_async_context(media_reader(encoder, settings))

    def read_text(item: Item) -> str:
        return item_text(item.title, item.description, settings.media.text_max_characters)

    role = ItemEncoder(
        modality=modality,
        encoder_name=encoder.name,
        dimension=encoder.dimension,
        batcher=batcher,
        read_text=read_text if modality == "text" else None,
        media=media,
        store=store,
        publisher=publisher,
        topics=topics,
        settings=settings,
        now=utc_now,
        metrics=metrics,
    )
    space = fusion_in_use(settings, registry).space
    return Wiring(f"{modality}.{space}", [topics.items], role)


def _wire_fuse(
    settings: Settings,
    topics: TopicNames,
    store: RedisStateStore,
    publisher: Publisher,
    start_anew: Callable[[bool], None],
) -> Wiring:
    fusion = fusion_in_use(settings, encoder_registry(settings))
    group = f"fuse.{fusion.space}"
    role = ItemFuser(
        group,
        fusion=fusion,
        encoders=encoders_in_use(settings),
        store=store,
        publisher=publisher,
        topics=topics,
        settings=settings,
        metrics=FuseMetrics(),
        on_set_back=start_anew,
    )
    return Wiring(group, [topics.item_features], role, FenceStartPositions(group, store, role.note_fences))


async def _wire_profile(
    settings: Settings,
    topics: TopicNames,
    store: RedisStateStore,
    publisher: Publisher,
    start_anew: Callable[[bool], None],
    is_lost: bool,
) -> Wiring:
    role = ProfileUpdater(
        store=store,
        publisher=publisher,
        topics=topics,
        settings=settings,
        now=utc_now,
        metrics=ProfileMetrics(),
        on_set_back=start_anew,
    )
    # Where state is lost while workers run, one of them may have begun a new fence before it was noticed.
    if is_lost or not await while_down("fences", lambda: store.has_fences(role.role)):
        await while_down("restore", lambda: restore_profiles(store, settings, topics))
    starts = FenceStartPositions(role.role, store, role.note_fences)
    return Wiring("profile", [topics.events], role, starts)


async def _wire_recommend(
    settings: Settings,
    topics: TopicNames,
    store: RedisStateStore,
    publisher: Publisher,
    resources: AsyncExitStack,
) -> Wiring:
    fusion = fusion_in_use(settings, encoder_registry(settings))
    experiment = Experiment(settings)
    index = ItemIndex(fusion.dimension)
    metrics = RecommendMetrics()
    follower = IndexFollower(
        settings, topics.item_vectors(fusion.space), index, on_change=metrics.index_items
    )
    popularity = PopularityFollower(store, index, settings.recommend)
    for part in (follower, popularity):
        resources.push_async_callback(part.stop)
        await part.start()
    cascade = None
    on_change: Callable[[ProfileChanged], None] = _ignore_change
    if uses_cascade(experiment):
        cascade = Cascade(index, cascade_settings(settings))
        on_change = await _follow_people(cascade, settings, topics, metrics, resources)
    role = Recommender(
        lists=ArmLists(index, cascade, experiment, settings, fusion.space),
        store=store,
        publisher=publisher,
        topics=topics,
        settings=settings,
        now=utc_now,
        metrics=metrics,
        on_change=on_change,
    )
    return Wiring("recommend", [topics.profiles, topics.recommendation_requests], role)


def _ignore_change(change: ProfileChanged) -> None:
    return


async def _follow_people(
    cascade: Cascade,
    settings: Settings,
    topics: TopicNames,
    metrics: RecommendMetrics,
    resources: AsyncExitStack,
) -> Callable[[ProfileChanged], None]:
    """Keep the cascade current with what all people do and with what is learned; what takes a change in."""

    def load(model: str, epoch: int, step: int, payload: bytes) -> None:
        if model != WRITER_STATE:
            cascade.load(model, payload)
            metrics.learned(model, step)

    def observe(step: Step) -> None:
        with metrics.time_observe():
            cascade.observe(step.person, step.interaction)

    updater = InteractionUpdater(cascade.backfill, observe, replay_events=settings.interactions.replay_events)

    def take(records: Sequence[ConsumerRecord]) -> None:
        updater.take(records)
        metrics.applied(updater.applied)

    learned = TopicFollower(settings, topics.learned, LearnedReader(load).take)
    people = TopicFollower(
        settings, topics.profiles, take, on_caught_up=updater.caught_up, batch_records=PEOPLE_AT_ONCE
    )
    for part in (people, learned):
        resources.push_async_callback(part.stop)
        await part.start()

    def take_change(change: ProfileChanged) -> None:
        updater.try_change(change)
        metrics.applied(updater.applied)

    return take_change


def _wire_learn(settings: Settings, topics: TopicNames, publisher: Publisher) -> Wiring:
    fusion = fusion_in_use(settings, encoder_registry(settings))
    vectors = topics.item_vectors(fusion.space)

    async def term() -> None:
        async with AsyncExitStack() as resources:
            index = ItemIndex(fusion.dimension)
            follower = IndexFollower(settings, vectors, index)
            resources.push_async_callback(follower.stop)
            await follower.start()
            cascade = Cascade(index, cascade_settings(settings))
            writer = WeightsWriter(
                LearningModels(index, cascade, Learner(cascade, learn_settings(settings))),
                settings=settings,
                topics=topics,
                publisher=publisher,
                now=utc_now,
                metrics=LearnMetrics(),
            )
            await writer.run()

    return Wiring("learn", [topics.learned], WriterElection(term))


def _wire_join(
    settings: Settings,
    topics: TopicNames,
    store: RedisStateStore,
    publisher: Publisher,
    start_anew: Callable[[bool], None],
) -> Wiring:
    role = OutcomeJoiner(
        store=store,
        publisher=publisher,
        topics=topics,
        settings=settings,
        now=utc_now,
        metrics=JoinMetrics(),
        on_set_back=start_anew,
    )
    starts = FenceStartPositions(role.role, store, role.note_fences)
    return Wiring("join", [topics.recommendations, topics.profiles], role, starts)
