"""How each role is wired together: the part of the composition root that knows every part by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import ConsumerRecord

from models.cascade.cascade import Cascade
from models.cascade.learner import Learner
from models.encoders.registry import EncoderRegistry
from models.fusion import Fusion
from models.preprocessing.text import item_text
from models.retrieval import ItemIndex
from streams.driver import Processor, StartPositions
from streams.errors import ConfigurationError
from streams.fields import Modality
from streams.internal_messages import ProfileChanged
from streams.messages import Item
from streams.retention import PersonalExpiry
from streams.settings import Settings
from streams.topic_admin import personal_topics
from streams.topic_names import TopicNames
from workers.arm_lists import ArmLists, uses_cascade
from workers.backoff import while_down
from workers.by_topic import ByTopic
from workers.encoders_in_use import encoder_registry, encoders_in_use, fusion_in_use
from workers.erased_people import ErasedPeople
from workers.erasure_follower import ErasureFollower
from workers.events_to_profiles import ProfileUpdater
from workers.experiments import Experiment
from workers.explain_metrics import ExplainMetrics
from workers.explaining.facts import CATEGORY_ATTRIBUTES
from workers.explaining.generator import Generator, TemplateGenerator
from workers.explaining.language_model import LanguageModelGenerator
from workers.explaining.templates import TemplateWriter
from workers.features_to_vectors import ItemFuser
from workers.fenced import FenceStartPositions
from workers.items_to_features import ItemEncoder
from workers.join_metrics import JoinMetrics
from workers.language_model.endpoint import Endpoint
from workers.language_model.metrics import LanguageModelMetrics
from workers.language_model.negations import NegationReader
from workers.learned_models import LearnedReader
from workers.lists_to_outcomes import OutcomeJoiner
from workers.media.reader import media_reader
from workers.micro_batcher import MicroBatcher
from workers.model_settings import cascade_settings, learn_settings
from workers.person_eraser import PersonEraser
from workers.popularity import PopularityFollower
from workers.ports import Publisher
from workers.profiles_to_interactions import InteractionUpdater, Step
from workers.profiles_to_recommendations import Recommender
from workers.profiles_to_weights import WRITER_STATE, LearningModels, WeightsWriter, WriterElection
from workers.query_reader import QueriesOff, QueryReader, ReadsQueries
from workers.rebuild import restore_erasures, restore_profiles
from workers.recommendations_to_explanations import Explainer
from workers.role_metrics import EncodeMetrics, FuseMetrics, LearnMetrics, ProfileMetrics, RecommendMetrics
from workers.roles import Role
from workers.state.redis_store import RedisStateStore
from workers.topic_follower import TopicFollower
from workers.vectors_follower import VectorsFollower
from workers.vectors_to_index import IndexFollower
from workers.vectors_to_titles import ItemTitles

# Changed profiles taken in one turn of the event loop, each some tenths of a millisecond.
PEOPLE_AT_ONCE = 16


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


async def wire(
    role: Role,
    settings: Settings,
    topics: TopicNames,
    store: RedisStateStore,
    publisher: Publisher,
    start_anew: Callable[[bool], None],
    is_lost: bool,
    resources: AsyncExitStack,
) -> Wiring:
    """The parts of a role.

    Args:
        start_anew: To be called where the state was set back; told whether it is gone altogether.
        is_lost: State was found to be gone.
        resources: What is open until the role ends.

    Raises:
        ConfigurationError: The settings cannot work: says which.
    """
    match role:
        case "text" | "image" | "audio" | "video":
            return await _wire_encoder(role, settings, topics, store, publisher, resources)
        case "fuse":
            return _wire_fuse(settings, topics, store, publisher, start_anew)
        case "profile":
            return await _wire_profile(settings, topics, store, publisher, start_anew, is_lost)
        case "recommend":
            return await _wire_recommend(settings, topics, store, publisher, resources)
        case "explain":
            return await _wire_explain(settings, topics, store, publisher, resources)
        case "learn":
            return _wire_learn(settings, topics, store, publisher)
        case "join":
            return await _wire_join(settings, topics, store, publisher, start_anew)


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
    erased = await _known_erasures(store, settings, topics)
    role = ProfileUpdater(
        store=store,
        publisher=publisher,
        topics=topics,
        settings=settings,
        now=utc_now,
        metrics=ProfileMetrics(),
        on_set_back=start_anew,
        erased=erased,
    )
    eraser = PersonEraser(
        store=store,
        publisher=publisher,
        topics=topics,
        erased=erased,
        expiry=PersonalExpiry(lambda: personal_topics(settings)),
        keeps_marks=settings.privacy.later_events == "drop",
        counter_half_life_s=settings.recommend.popularity_half_life_days * 86_400.0,
        now=utc_now,
        on_set_back=start_anew,
    )

    def note_fences(fences: Mapping[str, int | None]) -> None:
        role.note_fences(fences)
        eraser.note_fences(fences)

    # Where state is lost while workers run, one of them may have begun a new fence before it was noticed.
    if is_lost or not await while_down("fences", lambda: store.has_fences(role.role)):
        await while_down("restore", lambda: restore_profiles(store, settings, topics, erased))
    starts = FenceStartPositions(role.role, store, note_fences)
    parts = ByTopic({topics.erasures: eraser, topics.events: role})
    return Wiring("profile", [topics.events, topics.erasures], parts, starts)


async def _known_erasures(store: RedisStateStore, settings: Settings, topics: TopicNames) -> ErasedPeople:
    """Everybody who was forgotten, by the state store and by what Kafka holds, which may know more."""
    erased = ErasedPeople(settings.privacy)
    await while_down("erasures", lambda: restore_erasures(store, settings, topics, erased))
    return erased


async def _wire_recommend(
    settings: Settings,
    topics: TopicNames,
    store: RedisStateStore,
    publisher: Publisher,
    resources: AsyncExitStack,
) -> Wiring:
    registry = encoder_registry(settings)
    fusion = fusion_in_use(settings, registry)
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
    erased = ErasedPeople(settings.privacy)
    forgetting: list[tuple[str, Callable[[str, int], int]]] = []

    def forget(user_id: str, at_ms: int) -> Mapping[str, int]:
        return {place: part(user_id, at_ms) for place, part in forgetting}

    erasures = ErasureFollower("recommend", settings, topics, store, erased, forget)
    resources.push_async_callback(erasures.stop)
    await erasures.start()
    cascade = None
    on_change: Callable[[ProfileChanged], None] = _ignore_change
    if uses_cascade(experiment):
        cascade = Cascade(index, cascade_settings(settings))
        on_change = await _follow_people(cascade, settings, topics, metrics, erased, forgetting, resources)
    role = Recommender(
        lists=ArmLists(index, cascade, experiment, settings, fusion.space),
        store=store,
        publisher=publisher,
        topics=topics,
        settings=settings,
        now=utc_now,
        metrics=metrics,
        on_change=on_change,
        queries=await wire_queries(settings, registry, fusion, resources),
        erased=erased,
    )
    forgetting.append(("versions of profiles", role.forget))
    return Wiring("recommend", [topics.profiles, topics.recommendation_requests], role)


async def wire_queries(
    settings: Settings, registry: EncoderRegistry, fusion: Fusion, resources: AsyncExitStack
) -> ReadsQueries:
    """What reads queries. The encoder is loaded at the first one, on the batcher's thread."""
    query, model = settings.query, settings.language_model
    if not query.enabled:
        return QueriesOff()
    separates = None
    if query.negations == "language_model":
        if "query" not in model.personal_fields:
            raise ConfigurationError(
                "query.negations is `language_model`, and would be told what people ask for: add `query` to "
                "language_model.personal_fields, or set query.negations to `stated`"
            )
        endpoint = await resources.enter_async_context(Endpoint(model, LanguageModelMetrics()))
        separates = NegationReader(endpoint, query.timeout_ms / 1_000)
    name = settings.encoders.text
    batcher: MicroBatcher[str] = MicroBatcher(
        lambda texts: registry.get(name).encode(texts),
        max_batch=settings.encoders.batch_size,
        max_wait_s=0.0,
    )
    resources.push_async_callback(batcher.stop)
    await batcher.start()
    return QueryReader(query, batcher.encode, lambda feature: fusion.fuse({"text": feature}), separates)


def _ignore_change(change: ProfileChanged) -> None:
    return


async def _follow_people(
    cascade: Cascade,
    settings: Settings,
    topics: TopicNames,
    metrics: RecommendMetrics,
    erased: ErasedPeople,
    forgetting: list[tuple[str, Callable[[str, int], int]]],
    resources: AsyncExitStack,
) -> Callable[[ProfileChanged], None]:
    """Keep the cascade current with what all people do and with what is learned; what takes a change in.

    Adds to ``forgetting`` what forgets a person in it.
    """

    def load(model: str, epoch: int, step: int, payload: bytes) -> None:
        if model != WRITER_STATE:
            cascade.load(model, payload)
            metrics.learned(model, step)

    def observe(step: Step) -> None:
        with metrics.time_observe():
            cascade.observe(step.person, step.interaction)

    updater = InteractionUpdater(
        cascade.backfill,
        observe,
        replay_events=settings.interactions.replay_events,
        erased=erased,
        forget=cascade.forget,
    )
    forgetting.append(("interaction memory, events", updater.forget))

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


def _wire_learn(
    settings: Settings, topics: TopicNames, store: RedisStateStore, publisher: Publisher
) -> Wiring:
    fusion = fusion_in_use(settings, encoder_registry(settings))
    vectors = topics.item_vectors(fusion.space)

    async def term() -> None:
        async with AsyncExitStack() as resources:
            index = ItemIndex(fusion.dimension)
            follower = IndexFollower(settings, vectors, index)
            resources.push_async_callback(follower.stop)
            await follower.start()
            cascade = Cascade(index, cascade_settings(settings))
            erased = ErasedPeople(settings.privacy)
            writer = WeightsWriter(
                LearningModels(index, cascade, Learner(cascade, learn_settings(settings))),
                settings=settings,
                topics=topics,
                publisher=publisher,
                now=utc_now,
                metrics=LearnMetrics(),
                erased=erased,
            )
            erasures = ErasureFollower(
                "learn", settings, topics, store, erased, writer.forget, gate=writer.gate
            )
            resources.push_async_callback(erasures.stop)
            await erasures.start()
            await writer.run()

    return Wiring("learn", [topics.learned], WriterElection(term))


async def _wire_join(
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
        erased=await _known_erasures(store, settings, topics),
    )
    starts = FenceStartPositions(role.role, store, role.note_fences)
    return Wiring("join", [topics.recommendations, topics.profiles], role, starts)


async def _wire_explain(
    settings: Settings,
    topics: TopicNames,
    store: RedisStateStore,
    publisher: Publisher,
    resources: AsyncExitStack,
) -> Wiring:
    explain, model = settings.explain, settings.language_model
    metrics = ExplainMetrics()
    templates = TemplateWriter(explain.language, explain.max_characters)
    generator: Generator = TemplateGenerator(templates)
    if explain.generator == "language_model":
        endpoint = await resources.enter_async_context(Endpoint(model, metrics))
        generator = LanguageModelGenerator(endpoint, templates, explain, model, metrics)
    titles = ItemTitles(explain.catalogue_items, {*explain.attributes, *CATEGORY_ATTRIBUTES})
    space = fusion_in_use(settings, encoder_registry(settings)).space
    follower = VectorsFollower(settings, topics.item_vectors(space), titles, on_change=metrics.titles)
    resources.push_async_callback(follower.stop)
    await follower.start()
    erased = ErasedPeople(settings.privacy)
    role = Explainer(
        find=titles.find,
        generator=generator,
        publisher=publisher,
        topics=topics,
        settings=settings,
        now=utc_now,
        metrics=metrics,
        erased=erased,
    )
    erasures = ErasureFollower("explain", settings, topics, store, erased, role.forget)
    resources.push_async_callback(erasures.stop)
    await erasures.start()
    return Wiring("explain", [topics.recommendations], role)
