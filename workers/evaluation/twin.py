"""One process that does what the workers of a deployment do, event after event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from models.datasets import DatasetEvent
from models.profile import TransitionSettings, encode_profile
from models.ranking import ListOrder, ListQuery, ListResult
from models.retrieval import ItemIndex
from streams.internal_messages import AppliedEvent, EventCause, ProfileChanged
from workers.evaluation.contender import Contender, Moment
from workers.evaluation.people import Applied, People
from workers.list_makers import ListMaker
from workers.profiles_to_interactions import InteractionUpdater, Step
from workers.profiles_to_weights import still_to_choose


@dataclass(frozen=True, slots=True)
class TwinStep:
    """What follows from an event.

    Attributes:
        result: The list that the event causes.
        renewed: The same list with the weights that this very event brought, where it brought some: a worker
            may have them already, or not yet.
        learned: Model → steps of the learner, of the models published at this event.
        applied: Events taken in so far, duplicates left out.
    """

    result: ListResult
    renewed: ListResult | None
    learned: Mapping[str, int]
    applied: int

    @property
    def possible(self) -> tuple[ListResult, ...]:
        """The lists that a worker may have made."""
        return (self.result,) if self.renewed is None else (self.result, self.renewed)


class Twin:
    """Profile, learn and recommend role in one. What passes between them is what passes through Kafka.

    Args:
        index: The items as a recommend worker holds them.
        learning: What the learn role has.
        serving: What the recommend role has, with a knowledge of its own.
        lists: Makes lists as the recommend role makes them, by what ``serving`` knows.
        transitions: How events change profiles.
        count: Items of a list.
    """

    def __init__(
        self,
        index: ItemIndex,
        learning: Contender,
        serving: Contender,
        lists: ListMaker,
        transitions: TransitionSettings,
        count: int,
    ) -> None:
        self._index = index
        self._learning = learning
        self._serving = serving
        self._lists = lists
        self._people = People(transitions)
        self._transitions = transitions
        self._query = ListQuery(count=count)
        self._updater = InteractionUpdater(lambda people: None, self._take, replay_events=0)
        self._updater.caught_up()

    def step(self, event: DatasetEvent) -> TwinStep:
        """Learn from an event, take it in, and make the list that it causes, as of its time."""
        applied = self._people.apply(event)
        self._updater.change(_changed(event, applied))
        order = ListOrder(applied.after.profile, self._query, event.occurred_at_ms, event.context)
        result = self._lists.make([order])[0].result
        if self._learning.refit_due():
            self._learning.refit()
        updates = self._learning.updates()
        if not updates:
            return TwinStep(result, None, {}, self._updater.applied)
        self._serving.load(updates)
        renewed = self._lists.make([order])[0].result
        learned = dict.fromkeys(updates, self._learning.steps)
        return TwinStep(result, renewed, learned, self._updater.applied)

    def _take(self, step: Step) -> None:
        moment = Moment(step.profile, step.person)
        eligible = still_to_choose(self._index, step, self._transitions)
        self._learning.learn(moment, step.interaction, eligible)
        self._learning.observe(moment, step.interaction)
        self._serving.observe(moment, step.interaction)


def _changed(event: DatasetEvent, applied: Applied) -> ProfileChanged:
    """What the profile role publishes."""
    profile, interaction = applied.after.profile, applied.interaction
    at = datetime.fromtimestamp(event.occurred_at_ms / 1_000, UTC)
    own = AppliedEvent(
        event_id=event.event_id,
        item_id=event.item_id,
        action=event.action,
        weight=interaction.weight,
        occurred_at=at,
        context=dict(event.context),
    )
    return ProfileChanged(
        user_id=profile.user_id,
        version=profile.version,
        cause=EventCause(event_id=event.event_id, occurred_at=at, published_at=at),
        state=encode_profile(profile),
        applied=[own] if applied.changed else [],
    )
