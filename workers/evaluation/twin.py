"""One process that does what the workers of a deployment do, event after event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.datasets import DatasetEvent
from models.profile import TransitionSettings
from models.ranking import ListOrder, ListQuery, ListResult
from models.ranking.eligibility import eligible_rows
from models.retrieval import ItemIndex
from workers.evaluation.contender import Contender
from workers.evaluation.people import People
from workers.list_makers import ListMaker


@dataclass(frozen=True, slots=True)
class TwinStep:
    """What follows from an event.

    Attributes:
        result: The list that the event causes.
        renewed: The same list with the weights that this very event brought, where it brought some: a worker
            may have them already, or not yet.
        learned: Model → events that it was learned from, of the models published at this event.
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
    """Profile, learn and recommend role in one.

    Args:
        index: The items as a recommend worker holds them.
        contender: What lists know across people.
        lists: Makes lists as the recommend role makes them, by what ``contender`` knows.
        transitions: How events change profiles.
        count: Items of a list.
    """

    def __init__(
        self,
        index: ItemIndex,
        contender: Contender,
        lists: ListMaker,
        transitions: TransitionSettings,
        count: int,
    ) -> None:
        self._index = index
        self._contender = contender
        self._lists = lists
        self._people = People(transitions)
        self._query = ListQuery(count=count)
        self._applied = 0

    def step(self, event: DatasetEvent) -> TwinStep:
        """Learn from an event, take it in, and make the list that it causes, as of its time."""
        applied = self._people.apply(event)
        contender, before = self._contender, applied.before
        if applied.changed:
            self._applied += 1
            contender.learn(
                before, applied.interaction, eligible_rows(self._index, before.profile, ListQuery())
            )
            contender.observe(before, applied.interaction)
        order = ListOrder(
            applied.after.profile, self._query, event.occurred_at_ms, applied.after.person.context
        )
        result = self._lists.make([order])[0].result
        if contender.refit_due():
            contender.refit()
        updates = contender.updates()
        if not updates:
            return TwinStep(result, None, {}, self._applied)
        contender.load(updates)
        renewed = self._lists.make([order])[0].result
        return TwinStep(result, renewed, dict.fromkeys(updates, self._applied), self._applied)
