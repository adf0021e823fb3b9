"""The recommend role, wired: index, popularity, what people do, and queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aiokafka import ConsumerRecord

from models.cascade.cascade import Cascade
from models.retrieval import ItemIndex
from streams.internal_messages import ProfileChanged
from workers.arm_lists import ArmLists, uses_cascade
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.erased_people import ErasedPeople
from workers.erasure_follower import ErasureFollower
from workers.experiments import Experiment
from workers.language_model.list_order import OrderReader
from workers.language_model.metrics import LanguageModelMetrics
from workers.language_model.model import LanguageModel
from workers.learned_models import LearnedReader
from workers.list_refiner import ListRefiner
from workers.model_settings import cascade_settings
from workers.popularity import PopularityFollower
from workers.profiles_to_interactions import InteractionUpdater, Step
from workers.profiles_to_recommendations import Recommender
from workers.profiles_to_weights import WRITER_STATE
from workers.role_metrics import RecommendMetrics
from workers.topic_follower import TopicFollower
from workers.vectors_follower import VectorsFollower
from workers.vectors_to_index import IndexFollower
from workers.vectors_to_titles import ItemTitles
from workers.wiring.around import Around, Wiring, utc_now
from workers.wiring.queries import wire_queries

# Changed profiles taken in one turn of the event loop, each some tenths of a millisecond.
PEOPLE_AT_ONCE = 16


async def wire_recommend(around: Around) -> Wiring:
    """The recommend role; waits until index and people are current."""
    registry = encoder_registry(around.settings)
    fusion = fusion_in_use(around.settings, registry)
    experiment = Experiment(around.settings)
    index = ItemIndex(fusion.dimension)
    metrics = RecommendMetrics()
    follower = IndexFollower(
        around.settings, around.topics.item_vectors(fusion.space), index, on_change=metrics.index_items
    )
    popularity = PopularityFollower(around.store, index, around.settings.recommend)
    for part in (follower, popularity):
        around.resources.push_async_callback(part.stop)
        await part.start()
    erased = ErasedPeople(around.settings.privacy)
    forgetting: list[tuple[str, Callable[[str, int], int]]] = []

    def forget(user_id: str, at_ms: int) -> Mapping[str, int]:
        return {place: part(user_id, at_ms) for place, part in forgetting}

    erasures = ErasureFollower("recommend", around.settings, around.topics, around.store, erased, forget)
    around.resources.push_async_callback(erasures.stop)
    await erasures.start()
    cascade = None
    on_change: Callable[[ProfileChanged], None] = _ignore_change
    if uses_cascade(experiment):
        cascade = Cascade(index, cascade_settings(around.settings))
        on_change = await _follow_people(cascade, around, metrics, erased, forgetting)
    role = Recommender(
        lists=ArmLists(index, cascade, experiment, around.settings, fusion.space),
        store=around.store,
        publisher=around.publisher,
        topics=around.topics,
        settings=around.settings,
        now=utc_now,
        metrics=metrics,
        on_change=on_change,
        queries=await wire_queries(around.settings, registry, fusion, around.resources),
        refiner=await _wire_refiner(around, fusion.space),
        erased=erased,
    )
    forgetting.append(("versions of profiles", role.forget))
    return Wiring("recommend", [around.topics.profiles, around.topics.recommendation_requests], role)


async def _wire_refiner(around: Around, space: str) -> ListRefiner | None:
    """What refines lists, with titles of its own; None where that is off."""
    refine, model = around.settings.refine, around.settings.language_model
    if not refine.enabled:
        return None
    opened = await around.resources.enter_async_context(LanguageModel(model, LanguageModelMetrics()))
    titles = ItemTitles(refine.catalogue_items, refine.attributes)
    follower = VectorsFollower(around.settings, around.topics.item_vectors(space), titles)
    around.resources.push_async_callback(follower.stop)
    await follower.start()
    return ListRefiner(
        OrderReader(opened), titles.find, refine, tells_past_items="past_items" in model.personal_fields
    )


def _ignore_change(change: ProfileChanged) -> None:
    return


async def _follow_people(
    cascade: Cascade,
    around: Around,
    metrics: RecommendMetrics,
    erased: ErasedPeople,
    forgetting: list[tuple[str, Callable[[str, int], int]]],
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
        replay_events=around.settings.interactions.replay_events,
        erased=erased,
        forget=cascade.forget,
    )
    forgetting.append(("interaction memory, events", updater.forget))

    def take(records: Sequence[ConsumerRecord]) -> None:
        updater.take(records)
        metrics.applied(updater.applied)

    learned = TopicFollower(around.settings, around.topics.learned, LearnedReader(load).take)
    people = TopicFollower(
        around.settings,
        around.topics.profiles,
        take,
        on_caught_up=updater.caught_up,
        batch_records=PEOPLE_AT_ONCE,
    )
    for part in (people, learned):
        around.resources.push_async_callback(part.stop)
        await part.start()

    def take_change(change: ProfileChanged) -> None:
        updater.try_change(change)
        metrics.applied(updater.applied)

    return take_change
