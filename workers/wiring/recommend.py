"""The recommend role, wired: index, popularity, what people do, and queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog
from aiokafka import ConsumerRecord

from models.cascade.cascade import Cascade
from models.fusion import Fusion
from models.retrieval import ItemIndex
from models.retrieval.neighbourhoods import is_large
from models.user import UserModel
from streams.internal_messages import ProfileChanged
from streams.settings import Settings
from workers.arm_lists import ArmLists, uses_cascade
from workers.erased_people import ErasedPeople
from workers.erasure_follower import ErasureFollower
from workers.experiments import Experiment
from workers.index_snapshots import IndexSnapshots
from workers.learned_models import LearnedReader
from workers.listed_spaces import ListedSpace, ListedSpaces
from workers.live_space import LiveLists, LiveQueries
from workers.model_settings import cascade_settings
from workers.popularity import PopularityFollower
from workers.profiles_to_interactions import InteractionUpdater, Step
from workers.profiles_to_recommendations import Recommender
from workers.profiles_to_weights import WRITER_STATE
from workers.role_metrics import RecommendMetrics
from workers.topic_follower import TopicFollower
from workers.user_model_in_use import UserModelInUse
from workers.wiring.around import Around, Wiring, utc_now
from workers.wiring.language_model import WorkersLanguageModel
from workers.wiring.models import followed_models, followed_user_models
from workers.wiring.queries import wire_queries
from workers.wiring.refiner import FollowedTitles, wire_refiner

_log = structlog.get_logger()

# Changed profiles taken in one turn of the event loop, each some tenths of a millisecond.
PEOPLE_AT_ONCE = 16


async def wire_recommend(around: Around) -> Wiring:
    """The recommend role; waits until index and people are current."""
    models = await followed_models(around)
    experiment = Experiment(around.settings)
    metrics = RecommendMetrics()
    fusion = models.active.fusion
    spaces_now = [(one.space, one.dimension) for one in (models.start, fusion)]
    user_models = followed_user_models(around, models, UserModelInUse(around.settings, spaces_now))
    await user_models.load_active(fusion.space)
    space = ListedSpace(
        around.settings,
        around.topics.item_vectors(fusion.space),
        models.active,
        on_change=metrics.index_items,
    )
    popularity = PopularityFollower(around.store, space.index, around.settings.recommend)
    folder = around.settings.recommend.snapshot_folder
    snapshots = None if folder is None else IndexSnapshots(around.settings, folder)
    if snapshots is not None:
        await snapshots.restore(space)
    around.resources.push_async_callback(space.follower.stop)
    await space.follower.start()
    if is_large(space.index.rows):
        # The first lists are not to put it into cells.
        await space.quietly(lambda: space.index.warm_up(()))
    around.resources.push_async_callback(popularity.stop)
    await popularity.start()
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
        cascade = Cascade(space.index, cascade_settings(around.settings))
        if models.follower.all.has_user_models:
            cascade.expect_user_model()
        on_change = await _follow_people(cascade, around, metrics, erased, forgetting)
    language_model = WorkersLanguageModel(around.settings.language_model, around.resources)
    queries = await wire_queries(around.settings, models.registry, fusion, around.resources, language_model)
    refiner, titles = await wire_refiner(around, fusion.space, language_model) or (None, None)
    serving = _Serving(
        space.index, fusion, cascade, queries, experiment, around.settings, titles, user_models
    )
    user_models.follow = serving.follow_user_models
    serving.follow_user_models()
    role = Recommender(
        lists=serving.lists,
        store=around.store,
        publisher=around.publisher,
        topics=around.topics,
        settings=around.settings,
        now=utc_now,
        metrics=metrics,
        on_change=on_change,
        queries=queries,
        refiner=refiner,
        erased=erased,
    )
    forgetting.append(("versions of profiles", role.forget))
    spaces = ListedSpaces(
        models.parts(around),
        space=space,
        popularity=popularity,
        uses=serving,
        on_change=metrics.index_items,
    )
    around.resources.push_async_callback(spaces.stop)
    await spaces.start()
    if snapshots is not None:
        around.resources.push_async_callback(snapshots.stop)
        snapshots.start(lambda: spaces.in_use)
    around.resources.push_async_callback(user_models.stop)
    await user_models.start()
    return Wiring("recommend", [around.topics.profiles, around.topics.recommendation_requests], role)


class UserModels(Protocol):
    """Which user model lists of a space are made with."""

    def of(self, space: str) -> UserModel | None:
        """By now; None: with none."""


class _Serving:
    """All that depends on the vector space, switched together. See `UsesIndex`."""

    def __init__(
        self,
        index: ItemIndex,
        fusion: Fusion,
        cascade: Cascade | None,
        queries: LiveQueries,
        experiment: Experiment,
        settings: Settings,
        titles: FollowedTitles | None,
        user_models: UserModels,
    ) -> None:
        self._space = fusion.space
        self._cascade = cascade
        self._titles = titles
        self._user_models = user_models
        self._queries = queries
        self._experiment = experiment
        self._settings = settings
        self.lists = LiveLists(self._maker(index, fusion))

    def get_ready_for(self, index: ItemIndex) -> None:
        """See `UsesIndex.get_ready_for`."""
        if self._cascade is not None:
            self._cascade.get_ready_for(index)

    def give_up_others(self) -> None:
        """See `UsesIndex.give_up_others`."""
        if self._cascade is not None:
            self._cascade.give_up_others()

    def use(self, index: ItemIndex, fusion: Fusion) -> None:
        """See `UsesIndex.use`."""
        if self._cascade is not None:
            self._cascade.use_index(index)
        self._space = fusion.space
        self.follow_user_models()
        self._queries.use(fusion)
        if self._titles is not None:
            self._titles.move(fusion)
        self.lists.use(self._maker(index, fusion))

    def follow_user_models(self) -> None:
        """Make lists with the user model of the space that they are of, from the next list on."""
        if self._cascade is None:
            return
        model = self._user_models.of(self._space)
        if model is self._cascade.user_model:
            return
        if model is not None:
            self._cascade.expect_user_model()
        self._cascade.use_user_model(model)
        _log.info("lists are made with another user model", space=self._space, with_one=model is not None)

    def _maker(self, index: ItemIndex, fusion: Fusion) -> ArmLists:
        return ArmLists(index, self._cascade, self._experiment, self._settings, fusion.space)


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
        # Each event is in a record of its own, at least: older ones are of no event that is built on.
        start_records=around.settings.interactions.replay_events,
        gather_s=around.settings.interactions.gather_s,
    )
    for part in (people, learned):
        around.resources.push_async_callback(part.stop)
        await part.start()

    def take_change(change: ProfileChanged) -> None:
        updater.try_change(change)
        metrics.applied(updater.applied)

    return take_change
