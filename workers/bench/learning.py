"""The learn role's work for `throughput`: a backlog of events, and both ways through it.

The role reads `profiles` from where its predecessor was, so the backlog begins with one that has learned
nothing. Trainings of sources are left out (`workers.bench.throughput`): they take a thread of their own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from aiokafka import ConsumerRecord

from models.cascade.cascade import Cascade
from models.cascade.learner import Learner
from models.profile import ProfileEvent, apply_events, encode_profile, new_profile
from models.retrieval import ItemIndex
from streams.codec import encode
from streams.internal_messages import AppliedEvent, EventCause, ProfileChanged
from streams.producer import Publisher
from streams.records import Outgoing
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.bench import plain_loops
from workers.bench.clock import Clock, Taken
from workers.encoders_in_use import encoder_registry, fusion_in_use
from workers.model_settings import cascade_settings, learn_settings, transition_settings
from workers.ports import Publisher as AnyPublisher
from workers.profiles_to_interactions import InteractionUpdater, Step
from workers.profiles_to_weights import BATCH_RECORDS, LearningModels, WeightsWriter
from workers.role_metrics import LearnMetrics
from workers.vectors_to_index import IndexFollower
from workers.wiring.around import utc_now

PEOPLE = 100
HISTORY = 20
_POLL_S = 0.005


def changes(topic: str, settings: Settings, count: int, items: int) -> Iterator[Outgoing]:
    """Profiles of `PEOPLE` people that change with one click each, after `HISTORY` others."""
    chance, transitions = random.Random(9), transition_settings(settings.profile)
    begin = datetime.now(UTC) - timedelta(days=1)
    profiles = [new_profile(f"person-{number}") for number in range(PEOPLE)]
    for number in range((HISTORY + count // PEOPLE + 1) * PEOPLE):
        person, at = number % PEOPLE, begin + timedelta(milliseconds=100 * number)
        item_id, event_id = f"item-{chance.randrange(items)}", f"event-{number}"
        click = ProfileEvent(event_id, item_id, "click", round(at.timestamp() * 1_000))
        profile, (effect,) = apply_events(profiles[person], [click], transitions)
        profiles[person] = profile
        if not HISTORY * PEOPLE <= number < HISTORY * PEOPLE + count:
            continue
        change = ProfileChanged(
            user_id=profile.user_id,
            version=profile.version,
            cause=EventCause(event_id=event_id, occurred_at=at, published_at=at),
            state=encode_profile(profile),
            applied=[
                AppliedEvent(
                    event_id=event_id, item_id=item_id, action="click", weight=effect.weight, occurred_at=at
                )
            ],
        )
        yield Outgoing(topic, profile.user_id.encode(), encode(change))


async def nothing_learned(settings: Settings, topics: TopicNames, publisher: AnyPublisher) -> None:
    """Publish the state of a predecessor that has read nothing: all of the backlog is to be learned from."""
    models = _models(settings, ItemIndex(_space(settings)[1]))
    await _Timed(models, settings, topics, publisher, Clock()).publish(
        {}, dict.fromkeys(range(settings.topics.user_partitions), 0)
    )


class _Timed(WeightsWriter):
    """A writer whose first event starts a clock."""

    def __init__(
        self,
        models: LearningModels,
        settings: Settings,
        topics: TopicNames,
        publisher: AnyPublisher,
        clock: Clock,
    ) -> None:
        super().__init__(
            models,
            settings=settings,
            topics=topics,
            publisher=publisher,
            now=utc_now,
            metrics=LearnMetrics(),
        )
        self._clock = clock
        self.events = 0

    def step(self, step: Step) -> None:
        """See `WeightsWriter.step`."""
        self._clock.start()
        super().step(step)
        self.events += 1


async def learn_through_role(settings: Settings, records: int) -> Taken:
    """As the writer of the learn role does."""
    topics, clock = TopicNames(settings.topics.prefix), Clock()
    async with _filled_index(settings) as index, Publisher(settings) as publisher:
        writer = _Timed(_models(settings, index), settings, topics, publisher, clock)
        running = asyncio.create_task(writer.run())
        try:
            while not running.done() and writer.events < records:
                await asyncio.sleep(_POLL_S)
            return clock.taken(records)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def learn_in_plain_loop(settings: Settings, records: int) -> Taken:
    """The same learning and the same publishing in a plain loop."""
    topics = TopicNames(settings.topics.prefix)
    async with _filled_index(settings) as index, plain_loops.plain_producer(settings) as producer:
        models = _models(settings, index)
        writer = _Timed(models, settings, topics, plain_loops.PlainPublisher(producer), Clock())
        models.learner.begin_from_held()
        updater = InteractionUpdater(models.cascade.backfill, writer.step, replay_events=0)
        updater.caught_up()
        positions: dict[int, int] = {}

        async def work(found: Sequence[ConsumerRecord]) -> None:
            for begin in range(0, len(found), BATCH_RECORDS):
                part = found[begin : begin + BATCH_RECORDS]
                updater.take(part)
                positions.update({record.partition: record.offset + 1 for record in part})
                updates = models.learner.updates()
                if updates:
                    await writer.publish(updates, positions)

        return await plain_loops.consume(settings, [topics.profiles], work, records)


def _models(settings: Settings, index: ItemIndex) -> LearningModels:
    cascade = Cascade(index, cascade_settings(settings))
    return LearningModels(index, cascade, Learner(cascade, learn_settings(settings)))


def _space(settings: Settings) -> tuple[str, int]:
    fusion = fusion_in_use(settings, encoder_registry(settings))
    return fusion.space, fusion.dimension


@asynccontextmanager
async def _filled_index(settings: Settings) -> AsyncIterator[ItemIndex]:
    space, dimension = _space(settings)
    index = ItemIndex(dimension)
    follower = IndexFollower(settings, TopicNames(settings.topics.prefix).item_vectors(space), index)
    await follower.start()
    try:
        yield index
    finally:
        await follower.stop()
