"""Signals at one moment: what sources propose from, and what the ranker weighs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.cascade.knowledge import Knowledge
from models.cascade.person import Person
from models.cascade.trained import ModelItems, TrainedRegression
from models.profile.taste import Taste
from models.sequence import item_regression
from models.signals import base, catalogue, content, context, covisitation, popularity, sessions
from models.signals.situation import Situation
from models.user import UserHistory

_LIKING_FLOOR = 1e-3
Rows = NDArray[np.int64]


@dataclass(slots=True)
class Signals:
    """Signals of all items at a moment, as far as all at once are cheaper; those of rows on demand."""

    knowledge: Knowledge
    situation: Situation
    company: NDArray[np.float32]
    votes: NDArray[np.float64]
    by_regression: dict[str, NDArray[np.float32]]
    by_sequence: NDArray[np.float32] | None
    by_item2vec: NDArray[np.float32] | None
    taste: Taste | None
    # Of the person, by a trained user model, float32 [k, D] of unit length.
    user_vectors: NDArray[np.float32] | None = None
    # What was last asked for, and the rows of each collection that it lets be listed.
    _listable: tuple[NDArray[np.bool_], dict[int, Rows]] | None = None

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
        item2vec = knowledge.item2vec
        by_item2vec = None if item2vec is None else item2vec.scores(situation)
        company, votes = covisitation.company(situation), sessions.votes(situation)
        own = base.taste_of(person, knowledge.index)
        vectors = cls._user_vectors(knowledge, situation)
        return cls(
            knowledge, situation, company, votes, by_regression, by_sequence, by_item2vec, own, vectors
        )

    @staticmethod
    def _user_vectors(knowledge: Knowledge, situation: Situation) -> NDArray[np.float32] | None:
        if knowledge.user_model is None:
            return None
        # A history counts from the newest entry, a user model reads from the oldest.
        entries = situation.history
        rows = knowledge.in_index[entries.rows][::-1]
        ages_s = (situation.now_s - entries.times_s)[::-1]
        history = UserHistory.of(rows, knowledge.index.vectors, entries.weights[::-1], ages_s)
        return knowledge.user_model.user_vectors(history)

    @staticmethod
    def _regression(name: str, regression: TrainedRegression, situation: Situation) -> NDArray[np.float32]:
        """Signals of this regression for the items that it knows, float32 [its signals, items]."""
        history = situation.history
        if name == "regression":
            entries = regression.items.rows_from(situation.memory.items)[situation.recent.rows]
            return regression.scores(
                entries,
                item_regression.weightings(situation.ranks, situation.ages_s, situation.last_page),
            )
        entries = regression.items.rows_from(situation.memory.items)[history.rows]
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

    def listable(self, eligible: NDArray[np.bool_], items: ModelItems | None = None) -> Rows:
        """Rows of a model, or of the memory, whose items may be listed, rising, int64 [n].

        Args:
            eligible: By row of the index; must not change any more.
            items: Of the model; None for the memory.
        """
        if self._listable is None or self._listable[0] is not eligible:
            self._listable = (eligible, {})
        found = self._listable[1]
        if id(items) not in found:
            knowledge = self.knowledge
            there = knowledge.in_index if items is None else items.rows_in(knowledge.index)
            may = eligible.take(there, mode="clip") if len(eligible) else np.zeros(len(there), np.bool_)
            may &= there >= 0
            if len(eligible) < knowledge.index.rows:
                # Items came since: nobody has said of them that they may be listed.
                may &= there < len(eligible)
            found[id(items)] = may.nonzero()[0]
        return found[id(items)]

    def of_rows(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """All signals of rows of the index, float32 [n, signals], a signal's values next to each other."""
        knowledge, index = self.knowledge, self.knowledge.index
        known = catalogue.signal_set(with_user_model=knowledge.settings.user_model)
        signals = np.zeros((len(known.names), len(rows)), np.float32)
        memory_rows = knowledge.in_memory.take(rows)
        vectors = index.vectors.take(rows, axis=0)
        signals[_at(covisitation.NAMES)] = covisitation.covisitation(
            self.situation, self.company, memory_rows
        )
        signals[_at(sessions.NAMES)] = sessions.sessions(self.votes, memory_rows)
        signals[_at(popularity.NAMES)] = popularity.popularity(self.situation, memory_rows)
        for name, regression in knowledge.regressions.items():
            model_rows = regression.items.rows_from(index).take(rows)
            values = self.by_regression[name]
            first = catalogue.POSITION[_FIRST_SIGNAL[name]]
            found = signals[first : first + len(values)]
            unknown = (model_rows < 0).nonzero()[0]
            if values.shape[1]:
                values.take(model_rows, axis=1, out=found, mode="clip")
                found[:, unknown] = 0.0
            if name == "regression_ever":
                found[0, unknown] = np.log(_LIKING_FLOOR)
        if knowledge.sequence is not None and self.by_sequence is not None:
            values = self._of_model(knowledge.sequence.items, self.by_sequence, rows)
            signals[catalogue.POSITION["sequence"]] = values
        if knowledge.item2vec is not None and self.by_item2vec is not None:
            values = self._of_model(knowledge.item2vec.items, self.by_item2vec, rows)
            signals[catalogue.POSITION["item2vec"]] = values
        signals[_at(content.NAMES)] = content.content(
            self.situation, index, rows, vectors, knowledge.in_index.take(self.situation.recent.rows)
        )
        signals[_at(base.NAMES)] = base.base(self.situation, index, self.taste, rows, vectors, memory_rows)
        signals[_at(context.NAMES)] = context.context(self.situation, memory_rows)
        if self.user_vectors is not None and len(self.user_vectors):
            cosines = [np.vecdot(vectors, one) for one in self.user_vectors]
            signals[catalogue.POSITION[catalogue.USER_MODEL]] = np.max(cosines, axis=0)
        # Signals after one another in memory: what follows reads, and sums up, a signal at a time.
        return signals.T

    def _of_model(
        self, items: ModelItems, scores: NDArray[np.float32], rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """A model's scores of rows of the index, float32 [n]."""
        model_rows = items.rows_from(self.knowledge.index).take(rows)
        found = np.zeros(len(rows), np.float32)
        met = model_rows >= 0
        found[met] = scores[model_rows[met]]
        if met.any() and not met.all():
            # An item that the model has not met is as likely as the less likely ones.
            found[~met] = _lower_quartile(found[met])
        return found


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


def _lower_quartile(values: NDArray[np.float32]) -> np.float32:
    """`numpy.quantile` at ¼, in a tenth of its time; at least one value."""
    place = (len(values) - 1) * 0.25
    low = int(place)
    ordered = np.partition(values, (low, min(low + 1, len(values) - 1)))
    below, above = ordered[low], ordered[min(low + 1, len(values) - 1)]
    return np.float32(below + (above - below) * np.float32(place - low))
