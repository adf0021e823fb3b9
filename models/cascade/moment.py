"""Signals at one moment, and the candidates that each source proposes from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.cascade.knowledge import Knowledge
from models.cascade.person import Person
from models.cascade.trained import TrainedRegression
from models.profile.taste import Taste
from models.sequence import item_regression
from models.signals import base, catalogue, content, context, covisitation, popularity, sessions
from models.signals.situation import Situation
from models.sources import best_eligible

_LIKING_FLOOR = 1e-3


@dataclass(slots=True)
class Signals:
    """Signals of all items at a moment, as far as all at once are cheaper; those of rows on demand."""

    knowledge: Knowledge
    situation: Situation
    company: NDArray[np.float32]
    votes: NDArray[np.float64]
    by_regression: dict[str, NDArray[np.float32]]
    by_sequence: NDArray[np.float32] | None
    taste: Taste | None

    @classmethod
    def of(cls, knowledge: Knowledge, person: Person) -> Signals:
        """Signals for a person at a moment."""
        situation = Situation.of(knowledge.memory, person)
        by_regression = {
            name: cls._regression(name, regression, situation)
            for name, regression in knowledge.regressions.items()
        }
        sequence = knowledge.sequence
        by_sequence = None if sequence is None else sequence.scores(situation)
        company, votes = covisitation.company(situation), sessions.votes(situation)
        own = base.taste_of(person, knowledge.index)
        return cls(knowledge, situation, company, votes, by_regression, by_sequence, own)

    @staticmethod
    def _regression(name: str, regression: TrainedRegression, situation: Situation) -> NDArray[np.float32]:
        """Signals of this regression for the items that it knows, float32 [its signals, items]."""
        history = situation.history
        if name == "regression":
            entries = regression.items.of_memory(situation.memory.items, situation.recent.rows)
            return regression.scores(
                entries,
                item_regression.weightings(situation.ranks, situation.ages_s, situation.last_page),
            )
        entries = regression.items.of_memory(situation.memory.items, history.rows)
        if name == "regression_signed":
            return regression.scores(entries, item_regression.signs(history.weights)[None])
        if name == "liking":
            counts = situation.memory.popularity
            rows = history.rows
            means = (counts.weight_sum[rows] + 2.5) / (counts.count[rows] + 5.0)
            residuals = history.weights - means
            residuals -= residuals.sum() / (len(residuals) + 5.0)
            return regression.scores(entries, residuals[None].astype(np.float32))
        ranks = np.arange(len(entries))
        weightings = np.stack([np.ones(len(entries)), 0.85**ranks]).astype(np.float32)
        scores = regression.scores(entries, weightings)
        scores[0] = np.log(np.maximum(scores[0], 0.0) + _LIKING_FLOOR)
        return scores

    def source(self, name: str, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
        """The candidates of a source, best first: rows of the index."""
        knowledge, index = self.knowledge, self.knowledge.index
        if name in _MEMORY_SOURCES:
            if name not in ("stage", "trending") and not len(self.situation.recent):
                return np.zeros(0, np.int64)
            scores = self._source_scores(name)
            return best_eligible(scores, knowledge.index_rows_of_memory, eligible, budget)
        if name == "sequence" and self.by_sequence is not None and knowledge.sequence is not None:
            items = knowledge.sequence.items
            return best_eligible(self.by_sequence, partial(items.to_index, index), eligible, budget)
        if name == "regression" and name in self.by_regression:
            items = knowledge.regressions[name].items
            return best_eligible(
                self.by_regression[name][0], partial(items.to_index, index), eligible, budget
            )
        if name == "interests":
            return self._interests(eligible, budget)
        if name == "new_items":
            return self._new_items(eligible, budget)
        if name == "own_items":
            rows = index.rows_of(self.situation.person.item_ids[-budget:])
            return rows[eligible[rows]]
        return np.zeros(0, np.int64)

    def of_rows(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """All signals of rows of the index, float32 [n, signals]."""
        knowledge, index = self.knowledge, self.knowledge.index
        signals = np.zeros((len(catalogue.NAMES), len(rows)), np.float32)
        memory_rows = knowledge.memory_rows_of_index(rows)
        signals[: len(catalogue.BY_MEMORY_ROW)] = np.concatenate(
            [
                covisitation.covisitation(self.situation, self.company, memory_rows),
                sessions.sessions(self.votes, memory_rows),
                popularity.popularity(self.situation, memory_rows),
            ]
        )
        for name, regression in knowledge.regressions.items():
            model_rows = regression.items.of_index(index, rows)
            values = self.by_regression[name]
            first = catalogue.POSITION[_FIRST_SIGNAL[name]]
            found = signals[first : first + len(values)]
            if values.shape[1]:
                found[:] = np.where(model_rows >= 0, values[:, model_rows], 0.0)
            if name == "regression_ever":
                found[0, model_rows < 0] = np.log(_LIKING_FLOOR)
        if knowledge.sequence is not None and self.by_sequence is not None:
            model_rows = knowledge.sequence.items.of_index(index, rows)
            sequence = signals[catalogue.POSITION["sequence"]]
            met = model_rows >= 0
            sequence[met] = self.by_sequence[model_rows[met]]
            if met.any() and not met.all():
                # An item that the model has not met is as likely as the less likely ones.
                sequence[~met] = np.quantile(sequence[met], 0.25)
        signals[_at(content.NAMES)] = content.content(self.situation, index, rows, self._recent_index_rows())
        signals[_at(base.NAMES)] = base.base(self.situation, index, self.taste, rows, memory_rows)
        signals[_at(context.NAMES)] = context.context(self.situation, memory_rows)
        return np.ascontiguousarray(signals.T)

    def _recent_index_rows(self) -> NDArray[np.int64]:
        return self.knowledge.index_rows_of_memory(self.situation.recent.rows)

    def _source_scores(self, name: str) -> NDArray[np.floating]:
        """What a source goes by, for every item of the memory, [items]."""
        counts, items = self.knowledge.memory.popularity, slice(0, len(self.knowledge.memory))
        if name == "stage":
            return counts.at_stage(items, self.situation.now_s, self.situation.person.events)
        if name == "trending":
            return np.asarray(counts.recent(items, self.situation.now_s)[_TRENDING_SPAN])
        if name == "sessions":
            return np.asarray(self.votes[sessions.NAMES.index("sessions_wide"), items])
        near_after, near_before, session, page, ever = (
            self.company[covisitation.NAMES.index(signal), items] for signal in _COVISITATION_SIGNALS
        )
        wider = np.float32(0.3) * (session + page) + np.float32(0.1) * ever
        return np.asarray(near_after + near_before + wider)

    def _interests(self, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
        """Items whose vectors lie nearest to the mean of the person's recent ones, by 0.9^r · weight."""
        index = self.knowledge.index
        recent = self._recent_index_rows()
        held = np.flatnonzero(recent >= 0)
        if not len(held):
            return np.zeros(0, np.int64)
        weights = (0.9**self.situation.ranks * self.situation.recent.weights)[held]
        taste = (weights @ index.vectors[recent[held]]).astype(np.float32)
        scores = np.vecdot(index.vectors, taste)
        scores[~eligible] = -np.inf
        return _top(scores, index.hashes, budget)

    def _new_items(self, eligible: NDArray[np.bool_], budget: int) -> NDArray[np.int64]:
        """The eligible items created last among those with few positive events."""
        index, settings = self.knowledge.index, self.knowledge.settings
        created = index.created_at_ms.astype(np.float64)
        created[~eligible] = -np.inf
        newest = _top(created, index.hashes, 8 * budget)
        return newest[self.knowledge.positives(newest) < settings.new_item_events][:budget]


_MEMORY_SOURCES = ("covisitation", "sessions", "stage", "trending")
_COVISITATION_SIGNALS = ("near_after_ten", "near_before_ten", "session_after_ten", "page_ten", "ever_ten")
# Of the spans of popularity: two days.
_TRENDING_SPAN = 1
_FIRST_SIGNAL = {
    "regression": "regression_near",
    "regression_ever": "regression_ever",
    "regression_signed": "regression_signed",
    "liking": "liking",
}


def _at(names: tuple[str, ...]) -> slice:
    """Where a family of signals stands among all."""
    first = catalogue.POSITION[names[0]]
    return slice(first, first + len(names))


def _top(scores: NDArray[np.floating], hashes: NDArray[np.uint64], budget: int) -> NDArray[np.int64]:
    """Positions of the highest finite scores, best first; equal ones by hash, as workers' rows differ."""
    budget = min(budget, len(scores))
    if not budget:
        return np.zeros(0, np.int64)
    least = np.partition(scores, len(scores) - budget)[len(scores) - budget]
    best = np.flatnonzero((scores >= least) & np.isfinite(scores))
    return best[np.lexsort((hashes[best], -scores[best]))][:budget]
