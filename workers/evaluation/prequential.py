"""Prequential evaluation: each event is first ranked as if it were still to come, then learned.

The protocol: the first events only warm up. Of each later event with a positive weight, every item that is
available and that the person has not seen is eligible, and the rank of the item that was chosen is taken;
then the event is learned, as every event is, positive or not (Dawid 1984; Vinagre, Jorge and Gama 2014 for
recommenders). Nothing later than an event bears on its ranking: profiles, popularity, co-visitation and
weights are as they were, and weights rank only once a worker would have published them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.datasets import DatasetEvent
from models.evaluation.segments import HeldOutEvent
from models.profile import TransitionSettings
from models.ranking.eligibility import ListQuery, eligible_rows
from models.reranking import RerankSettings
from models.retrieval import ItemIndex
from workers.evaluation.contender import Contender
from workers.evaluation.measures import HeldOut, Measures
from workers.evaluation.people import Applied, People
from workers.evaluation.timings import Spent, Timings

OnProgress = Callable[[int, Measures], None]
_EVERY = ListQuery()
# The bar is drawn no more often than this.
_PROGRESS_EVENTS = 50


@dataclass(frozen=True, slots=True)
class PrequentialSettings:
    """How a replay is evaluated.

    Attributes:
        warm_up: Events before the first that is evaluated, ≥ 0.
        limit: At most so many events after these; None for all.
        count: Places of a list, ≥ 1.
        passes: Name → re-ranking of a further pass over the same rankings.
        window: Held-out events in each point over time, ≥ 1.
        restart_at: Before this event after the warm-up, from 0, the workers start anew; None: never.
        seed: Of confidence intervals and exploration.
        diversity_by: Attributes by which the diversity of lists is measured, besides content.
        objectives: Objective → its actions: events of these are measured apart, too.
    """

    warm_up: int
    limit: int | None = None
    count: int = 20
    passes: Mapping[str, RerankSettings] = field(default_factory=dict)
    window: int = 1_000
    restart_at: int | None = None
    seed: int = 1
    diversity_by: tuple[str, ...] = ()
    objectives: Mapping[str, Collection[str]] = field(default_factory=dict)


class Replay:
    """Feeds events to a contender in their order, and measures its rankings.

    Args:
        index: The catalogue, which the contender ranks.
        contender: What is evaluated.
        transitions: How events change profiles, and what they weigh.
        settings: The protocol.
    """

    def __init__(
        self,
        index: ItemIndex,
        contender: Contender,
        transitions: TransitionSettings,
        settings: PrequentialSettings,
    ) -> None:
        self._index = index
        self._contender = contender
        self._people = People(transitions)
        self._settings = settings
        self._positives = np.zeros(index.rows, np.int64)
        self._last_second: dict[str, int] = {}
        self._skipped = 0
        self._duplicates = 0
        self.timings = Timings()
        self.measures = Measures(
            index,
            settings.count,
            settings.passes,
            settings.window,
            settings.seed,
            settings.diversity_by,
            settings.objectives,
        )

    def run(
        self, events: Iterable[DatasetEvent], on_progress: OnProgress = lambda done, so_far: None
    ) -> None:
        """Replay events to the end of the protocol.

        Args:
            events: In the order in which they happened.
            on_progress: Told now and then how many are done, with the measures so far.
        """
        settings = self._settings
        end = None if settings.limit is None else settings.warm_up + settings.limit
        done = 0
        for number, event in enumerate(events):
            if number == end:
                break
            if settings.restart_at is not None and number == settings.warm_up + settings.restart_at:
                self._contender.restart(self._people.histories())
            self.step(event, is_evaluated=number >= settings.warm_up)
            done = number + 1
            if done % _PROGRESS_EVENTS == 0:
                on_progress(done, self.measures)
        on_progress(done, self.measures)

    def values(self) -> dict[str, Any]:
        """The whole report.

        ``skipped`` counts positive events that could not be ranked: the item is not in the catalogue, is not
        available, or the person had seen it. ``duplicates`` had no effect.
        """
        return {
            **self.measures.values(),
            "events": self.timings.events,
            "skipped": self._skipped,
            "duplicates": self._duplicates,
            **self.timings.values(),
        }

    def step(self, event: DatasetEvent, *, is_evaluated: bool) -> None:
        """Rank, where it is evaluated and positive, learn and take in one event."""
        contender = self._contender
        began = Spent.now()
        applied = self._people.apply(event)
        interaction, before = applied.interaction, applied.before
        if not applied.changed:
            self._duplicates += 1
            return
        eligible = eligible_rows(self._index, before.profile, _EVERY)
        if before.profile.seen_filter:
            # Beyond a thousand items seen, those that only the Bloom filter knows are in no list either.
            eligible &= ~before.profile.has_seen(self._index.hashes)
        row = self._index.item_rows.get(event.item_id, -1)
        ranking_took = Spent()
        is_positive = interaction.weight > 0
        is_held_out = is_evaluated and is_positive and row >= 0 and bool(eligible[row])
        if is_held_out:
            ranking = contender.rank(before, eligible)
            ranking_took = Spent.now().since(began)
            self.measures.add(
                HeldOut(before, row, ranking, self._positives, eligible, self._event(applied, row)),
                contender,
            )
            began = Spent.now()
        contender.learn(before, interaction, eligible)
        learned = Spent.now()
        contender.observe(before, interaction)
        observed = Spent.now()
        if contender.refit_due():
            contender.refit()
            self.timings.refits.append(Spent.now().since(observed))
        loading = Spent.now()
        contender.load(contender.updates())
        learning_took = learned.since(began).plus(Spent.now().since(loading))
        if is_evaluated:
            self.timings.add(ranking_took, learning_took, observed.since(learned), is_held_out=is_held_out)
            self._skipped += is_positive and not is_held_out
        if is_positive and row >= 0:
            self._positives[row] += 1
        self._last_second[event.user_id] = event.occurred_at_ms // 1_000

    def _event(self, applied: Applied, row: int) -> HeldOutEvent:
        second = applied.interaction.occurred_at_ms // 1_000
        action = applied.interaction.action
        return HeldOutEvent(
            user_positives=applied.before.person.positives,
            item_positives=int(self._positives[row]),
            is_distinct_second=self._last_second.get(applied.interaction.user_id) != second,
            objectives=tuple(name for name, of in self._settings.objectives.items() if action in of),
        )
