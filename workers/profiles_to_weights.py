"""The learn role: what people do becomes weights. The one writer of what is learned across people.

The writer is whoever the group gives the one partition of `learned` to; other workers of this role stand
by. The writer keeps what every recommend worker keeps, and for each new event first learns from it, then
takes it in: as if before each event it had said what this person will do. What it learned is published
together with the positions in `profiles` that it learned from, so its successor goes on at the next event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec
import structlog

from models.cascade import Interaction, Person
from models.profile import TransitionSettings
from models.ranking.eligibility import ListQuery, eligible_rows
from models.retrieval import ItemIndex
from models.retrieval.columns import Mask
from streams.driver import SourcePartition
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.background import in_background
from workers.backoff import FIRST_WAIT_S, LONGEST_WAIT_S, while_down
from workers.erased_people import ErasedPeople
from workers.learned_models import LearnedReader, learned_records
from workers.model_settings import transition_settings
from workers.ports import Delivery, Publisher
from workers.profiles_to_interactions import InteractionUpdater, Step
from workers.role_metrics import LearnMetrics
from workers.topic_follower import TopicFollower

WRITER_STATE = "writer"
"""The model name under which the writer keeps what its successor needs."""
# Events learned from in one turn of the event loop.
BATCH_RECORDS = 8
POLL_S = 0.05

_log = structlog.get_logger()


class WriterState(msgspec.Struct, frozen=True, array_like=True):
    """What the successor of a writer goes on with: partition of `profiles` → next offset, and the learner."""

    positions: dict[int, int]
    learner: bytes


class LearnStep(Protocol):
    """What one event taught."""

    @property
    def loss(self) -> float | None:
        """None where nothing could be learned."""

    @property
    def fell_back(self) -> bool:
        """Whether the drift alarm brought the last good weights back."""


class Learning(Protocol):
    """What learns. See `models.cascade.learner.Learner`."""

    @property
    def steps(self) -> int:
        """Events learned from, ever."""

    def learn(self, person: Person, interaction: Interaction, eligible: Mask) -> LearnStep:
        """Learn from one event, before it is taken in."""

    def refit_due(self) -> bool:
        """Whether models of sources are to be trained anew."""

    def refit(self) -> tuple[str, ...]:
        """Train them; takes seconds."""

    def updates(self, *, force: bool = False) -> dict[str, bytes]:
        """What is to be published now, by model."""

    def state(self) -> bytes:
        """What a successor needs."""

    def restore(self, state: bytes) -> None:
        """Go on where another ended."""

    def begin_from_held(self) -> None:
        """Begin anew from the ranker in use."""


class Knowing(Protocol):
    """What takes events in. See `models.cascade.cascade.Cascade`."""

    def observe(self, person: Person, interaction: Interaction) -> None:
        """Take one event in."""

    def backfill(self, people: Sequence[Person]) -> None:
        """Build on histories."""

    def load(self, model: str, payload: bytes) -> None:
        """Take a learned model over."""

    def forget(self, user_id: str) -> int:
        """Take back what a person did; how many of their events that were."""


@dataclass(frozen=True, slots=True)
class LearningModels:
    """What a writer works on, made anew for each."""

    index: ItemIndex
    cascade: Knowing
    learner: Learning


def still_to_choose(index: ItemIndex, step: Step, transitions: TransitionSettings) -> Mask:
    """Which rows could be listed just before an event, bool [rows].

    The profile is as it was after the event: the item of the event was still to be chosen, unless an action
    before it had marked it as seen.
    """
    eligible = eligible_rows(index, step.profile, ListQuery())
    item_id, action = step.interaction.item_id, step.interaction.action
    marked = [
        one
        for one in step.profile.history
        if one.item_id == item_id and transitions.rule_of(one.action).marks_seen
    ]
    if len(marked) <= transitions.rule_of(action).marks_seen:
        rows = index.rows_of([item_id])
        eligible[rows] = index.available[rows]
    return eligible


class WeightsWriter:
    """One term as the writer: `run` until cancelled.

    Args:
        models: Fresh; the index is kept current by somebody else.
    """

    def __init__(
        self,
        models: LearningModels,
        *,
        settings: Settings,
        topics: TopicNames,
        publisher: Publisher,
        now: Callable[[], datetime],
        metrics: LearnMetrics,
        erased: ErasedPeople | None = None,
    ) -> None:
        self._models = models
        self._settings = settings
        self._topics = topics
        self._publisher = publisher
        self._now = now
        self._metrics = metrics
        self._transitions = transition_settings(settings.profile)
        self._gate = asyncio.Event()
        self._gate.set()
        self._epoch = 0
        self._updater = InteractionUpdater(
            models.cascade.backfill,
            self.step,
            replay_events=settings.interactions.replay_events,
            erased=erased,
            forget=models.cascade.forget,
        )

    @property
    def gate(self) -> asyncio.Event:
        """Not set while models are trained on what is remembered, which must not change meanwhile."""
        return self._gate

    def forget(self, user_id: str, at_ms: int) -> Mapping[str, int]:
        """Forget a person; by place, how many of their events that were."""
        return {"interaction memory, events": self._updater.forget(user_id, at_ms)}

    async def run(self) -> None:
        """Take over from the writer before, catch up, then learn and publish for ever."""
        learned = await self._learned()
        state = self._take_over(learned)
        profiles = TopicFollower(
            self._settings,
            self._topics.profiles,
            self._updater.take,
            until=None if state is None else state.positions,
            on_caught_up=self._updater.caught_up,
            batch_records=BATCH_RECORDS,
            gate=self._gate,
            start_records=self._settings.interactions.replay_events,
            gather_s=self._settings.interactions.gather_s,
        )
        try:
            await profiles.start()
            _log.info("learning", epoch=self._epoch, steps=self._models.learner.steps)
            await self._publish_for_ever(profiles)
        finally:
            await profiles.stop()

    def step(self, step: Step) -> None:
        """Learn from an event, then take it in."""
        models = self._models
        eligible = still_to_choose(models.index, step, self._transitions)
        learned = models.learner.learn(step.person, step.interaction, eligible)
        self._metrics.learned(learned.loss, fell_back=learned.fell_back)
        if learned.fell_back:
            _log.error("the ranker has drifted: the last good weights are back", steps=models.learner.steps)
        models.cascade.observe(step.person, step.interaction)

    async def _learned(self) -> Mapping[str, bytes]:
        """The newest models in the topic."""
        found: dict[str, bytes] = {}

        def hold(model: str, epoch: int, step: int, payload: bytes) -> None:
            found[model] = payload

        reader = LearnedReader(hold)
        follower = TopicFollower(self._settings, self._topics.learned, reader.take)
        try:
            await follower.start()
        finally:
            await follower.stop()
        self._epoch = reader.epoch + 1
        return found

    def _take_over(self, learned: Mapping[str, bytes]) -> WriterState | None:
        """Go on with what was learned; with new weights where it cannot be read any more."""
        state, restored = None, False
        try:
            if WRITER_STATE in learned:
                state = msgspec.msgpack.decode(learned[WRITER_STATE], type=WriterState)
                self._models.learner.restore(state.learner)
                restored = True
        except Exception:
            _log.exception("what the learner knew cannot be read: it begins anew")
        for model, payload in learned.items():
            if model == WRITER_STATE:
                continue
            try:
                self._models.cascade.load(model, payload)
            except Exception:
                _log.exception("a learned model cannot be taken: it begins anew", model=model)
        if not restored:
            self._models.learner.begin_from_held()
        return state

    async def _publish_for_ever(self, profiles: TopicFollower) -> None:
        loop = asyncio.get_running_loop()
        published_s, published_steps = loop.time(), self._models.learner.steps
        while True:
            await asyncio.sleep(POLL_S)
            self._metrics.applied(self._updater.applied)
            learner = self._models.learner
            if learner.refit_due():
                await self._refit()
            overdue = loop.time() - published_s >= self._settings.learn.publish_s
            updates = learner.updates(force=overdue and learner.steps > published_steps)
            if updates:
                published_s, published_steps = loop.time(), learner.steps
                # Read before anything else runs: weights and positions belong together.
                await self.publish(updates, profiles.positions)

    async def _refit(self) -> None:
        """Train models of sources beside all else; no event is taken meanwhile."""
        self._gate.clear()
        try:
            started = asyncio.get_running_loop().time()
            models = await in_background(self._models.learner.refit, "refit")
            self._metrics.refitted(asyncio.get_running_loop().time() - started)
            _log.info("models were refitted", models=models, steps=self._models.learner.steps)
        finally:
            self._gate.set()

    async def publish(self, updates: Mapping[str, bytes], positions: dict[int, int]) -> None:
        """Publish models and, last, what a successor needs; waits while Kafka is away."""
        steps = self._models.learner.steps
        own = msgspec.msgpack.encode(WriterState(positions, self._models.learner.state()))
        records = [
            record
            for model, payload in [*updates.items(), (WRITER_STATE, own)]
            for record in learned_records(
                self._topics.learned,
                model,
                payload,
                epoch=self._epoch,
                step=steps,
                learned_at=self._now(),
            )
        ]
        await while_down("publish weights", lambda: self._publisher.publish(records))
        for model in updates:
            self._metrics.published(model, steps)


class WriterElection:
    """The role's processor: whoever holds the partition of `learned` is the writer.

    Args:
        term: One term as the writer, until cancelled. One that fails is begun anew.
    """

    def __init__(self, term: Callable[[], Awaitable[None]]) -> None:
        self._term = term
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Nothing to start: the group says when."""

    async def stop(self) -> None:
        """End the term."""
        await self._end()

    async def partitions_assigned(self, partitions: Sequence[SourcePartition]) -> None:
        """Become the writer."""
        if partitions and self._serving is None:
            self._serving = asyncio.create_task(self._serve(), name="learning")

    async def partitions_revoked(self, partitions: Sequence[SourcePartition]) -> None:
        """Be it no more."""
        await self._end()

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        """The topic is read for the election alone."""
        for delivery in deliveries:
            delivery.done()

    async def _serve(self) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            try:
                await self._term()
            except Exception:
                _log.exception("learning has failed, and begins anew", wait_s=wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _end(self) -> None:
        serving, self._serving = self._serving, None
        if serving is not None:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
