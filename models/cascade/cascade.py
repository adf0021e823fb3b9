"""Candidates, signals and scores from all that is known across people and items. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.cascade.explanation import explain
from models.cascade.person import Interaction, Person
from models.cascade.ranking import Ranking
from models.cascade.settings import SOURCES, CascadeSettings
from models.cascade.trained import TrainedRegression, TrainedSequence
from models.errors import ModelError, SettingError
from models.interactions import InteractionMemory
from models.interactions.log import EventLog
from models.ranking.ranker import RankerWeights, decode_weights, encode_weights, standardise
from models.ranking.reasons import Reason
from models.retrieval.index import ItemIndex
from models.retrieval.row_link import RowLink
from models.sequence import item_regression
from models.sequence.model import SequenceSettings
from models.signals import catalogue, content, covisitation, gates, popularity, sessions
from models.signals.situation import Situation
from models.signals.start import start_weights
from models.sources import Proposals, best_eligible, unite

RANKER = "ranker"
SEQUENCE = "sequence"
REGRESSIONS = ("regression", "regression_ever", "regression_signed", "liking")
_FAMILY_OF_SIGNAL = np.array([catalogue.FAMILIES.index(catalogue.family(name)) for name in catalogue.NAMES])
_LIKING_FLOOR = 1e-3


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidates at a moment, ready for a ranker.

    Attributes:
        rows: Of the index, int64 [n].
        sources: Which proposed each, uint32 [n].
        standardised: Signals as the ranker sees them, float32 [n, signals].
        gates: float32 [gates].
    """

    rows: NDArray[np.int64]
    sources: NDArray[np.uint32]
    standardised: NDArray[np.float32]
    gates: NDArray[np.float32]


class Cascade:
    """All that is known across people and items; candidates, signals and scores from it.

    Not thread-safe. A pure function of the calls made: two that are told the same answer the same.

    Args:
        index: The items; somebody else keeps it current.
        settings: See `CascadeSettings`.
    """

    def __init__(self, index: ItemIndex, settings: CascadeSettings) -> None:
        self.index = index
        self.settings = settings
        self.memory = InteractionMemory(settings.interactions)
        self.weights = RankerWeights(gates.NAMES, catalogue.NAMES, start_weights())
        self.sequence: TrainedSequence | None = None
        self.sequence_settings = SequenceSettings()
        self.regressions: dict[str, TrainedRegression] = {}
        self._to_index, self._from_index = RowLink(), RowLink()
        # Of the last person at their moment: a list is often followed by an event that it is learned from.
        self._cached: tuple[tuple[object, ...], Signals] | None = None
        self._cached_candidates: tuple[Signals, NDArray[np.bool_], Mapping[str, int], Candidates] | None = (
            None
        )
        self._left_out = _columns_of(settings.without)

    def observe(self, person: Person, interaction: Interaction) -> None:
        """Take in an event of a person, as they were before it."""
        self.memory.observe(person, interaction)
        self._cached = None

    def backfill(self, people: Iterable[Person]) -> None:
        """Build on histories alone, in the order of their events' times."""
        entries = [
            (time_ms, person.user_id, at, person)
            for person in people
            for at, time_ms in enumerate(person.times_ms.tolist())
        ]
        for time_ms, user_id, at, person in sorted(entries, key=lambda entry: entry[:3]):
            earlier = max(0, person.events - len(person.item_ids))
            before = Person(
                user_id,
                person.item_ids[:at],
                person.weights[:at],
                person.times_ms[:at],
                earlier + at,
                int((person.weights[:at] > 0).sum()),
                time_ms,
            )
            weight = float(person.weights[at])
            self.observe(before, Interaction(user_id, person.item_ids[at], "", weight, time_ms))

    def rank(
        self,
        person: Person,
        eligible: NDArray[np.bool_],
        budgets: Mapping[str, int] | None = None,
    ) -> Ranking:
        """Candidates from all sources, ranked.

        Args:
            person: Whose list, and when.
            eligible: By row of the index; False for what was seen, filtered out or is not available.
            budgets: Over those of the settings.
        """
        return self._ranked(self.candidates(person, eligible, budgets))

    def rank_rows(self, person: Person, rows: NDArray[np.int64]) -> Ranking:
        """Just these rows of the index, ranked."""
        proposals = Proposals(np.asarray(rows, np.int64), np.zeros(len(rows), np.uint32))
        return self._ranked(self._complete(self._signals(person), proposals))

    def candidates(
        self,
        person: Person,
        eligible: NDArray[np.bool_],
        budgets: Mapping[str, int] | None = None,
    ) -> Candidates:
        """Candidates from all sources with their signals; see `rank`."""
        signals, wanted = self._signals(person), budgets or {}
        cached = self._cached_candidates
        if (
            cached is not None
            and cached[0] is signals
            and cached[2] == wanted
            and np.array_equal(cached[1], eligible)
        ):
            return cached[3]
        candidates = self._complete(signals, self._proposals(signals, eligible, wanted))
        self._cached_candidates = (signals, eligible.copy(), dict(wanted), candidates)
        return candidates

    def positives(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positive events so far of these rows of the index, int64 [n]."""
        memory_rows = self.memory_rows_of_index(rows)
        counts = self.memory.popularity.positives[np.maximum(memory_rows, 0)]
        return np.where(memory_rows >= 0, counts, 0.0).astype(np.int64)

    def explain(self, person: Person, ranking: Ranking, positions: Sequence[int]) -> list[tuple[Reason, ...]]:
        """Why each of these positions has its score; contributions sum to it."""
        situation = self._signals(person).situation
        return explain(self.index, situation, ranking, positions, self.settings.reason_items)

    def parameters(self) -> dict[str, bytes]:
        """Everything learned, by model."""
        found = {RANKER: encode_weights(self.weights)}
        if self.sequence is not None:
            found[SEQUENCE] = self.sequence.encode()
        for name, regression in self.regressions.items():
            found[name] = item_regression.encode(regression.model, len(regression.model.item_ids))
        return found

    def load(self, model: str, payload: bytes) -> None:
        """Take a learned model over.

        Raises:
            ModelError: There is no such model, or the payload is not one.
        """
        self._cached = None
        if model == RANKER:
            self.weights = decode_weights(payload, gates.NAMES, catalogue.NAMES)
        elif model == SEQUENCE:
            self.sequence = TrainedSequence.decode(payload, self.sequence_settings)
        elif model in REGRESSIONS:
            self.regressions[model] = TrainedRegression(item_regression.decode(payload))
        else:
            raise ModelError(f"there is no learned model {model!r}")

    def take(self, sequence: TrainedSequence | None, regressions: Mapping[str, TrainedRegression]) -> None:
        """Take trained models over as they are."""
        self._cached = None
        self.sequence = sequence
        self.regressions = dict(regressions)

    def index_rows_of_memory(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the index for rows of the memory, −1 where the item is not in it, int64 [n]."""
        row_of, items = self.index.item_rows, self.memory.items
        hashes = self.index.hashes
        return self._to_index.rows(rows, items.hashes, hashes, lambda row: row_of.get(items.item_id(row)))

    def memory_rows_of_index(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the memory for rows of the index, −1 where it does not know the item, int64 [n]."""
        index, items = self.index, self.memory.items
        hashes = self.index.hashes
        return self._from_index.rows(rows, hashes, items.hashes, lambda row: items.get(index.item_id(row)))

    @property
    def log(self) -> EventLog:
        """What models are trained on."""
        return self.memory.log

    def _signals(self, person: Person) -> Signals:
        key = (person.user_id, person.events, person.now_ms, len(person.item_ids))
        if self._cached is None or self._cached[0] != key:
            self._cached = (key, Signals.of(self, person))
        return self._cached[1]

    def _proposals(
        self, signals: Signals, eligible: NDArray[np.bool_], budgets: Mapping[str, int]
    ) -> Proposals:
        all_budgets = {**self.settings.budgets, **budgets}
        wanted = [all_budgets.get(name, 0) for name in SOURCES]
        lists = [
            signals.source(name, eligible, budget) if budget else np.zeros(0, np.int64)
            for name, budget in zip(SOURCES, wanted, strict=True)
        ]
        united = unite(lists, wanted, self.settings.candidates)
        missing = self.settings.candidates - len(united.rows)
        if missing > 0:
            # A small catalogue, or a narrow filter: whatever else may be listed.
            others = np.setdiff1d(np.flatnonzero(eligible), united.rows)
            others = others[np.argsort(self.index.hashes[others])][:missing]
            rows = np.concatenate([united.rows, others])
            return Proposals(rows, np.concatenate([united.sources, np.zeros(len(others), np.uint32)]))
        return united

    def _complete(self, signals: Signals, proposals: Proposals) -> Candidates:
        # Sums over the candidates round alike in every worker, however it numbers its rows.
        order = np.argsort(self.index.hashes[proposals.rows])
        rows, sources = proposals.rows[order], proposals.sources[order]
        standardised = standardise(signals.of_rows(rows), catalogue.SPREADS)
        standardised[:, self._left_out] = 0.0
        return Candidates(rows, sources, standardised, gates.gates(signals.situation))

    def _ranked(self, candidates: Candidates) -> Ranking:
        weighted = candidates.standardised * self.weights.effective(candidates.gates)
        parts = np.zeros((len(weighted), len(catalogue.FAMILIES)))
        for part in range(parts.shape[1]):
            parts[:, part] = weighted[:, part == _FAMILY_OF_SIGNAL].sum(axis=1, dtype=np.float64)
        scores = parts.sum(axis=1)
        order = np.lexsort((self.index.hashes[candidates.rows], -scores))
        return Ranking(
            candidates.rows[order],
            scores[order],
            catalogue.FAMILIES,
            parts[order],
            SOURCES,
            candidates.sources[order],
        )


@dataclass(slots=True)
class Signals:
    """Signals of all items at a moment, as far as all at once are cheaper; those of rows on demand."""

    cascade: Cascade
    situation: Situation
    company: NDArray[np.float32]
    votes: NDArray[np.float64]
    by_regression: dict[str, NDArray[np.float32]]
    by_sequence: NDArray[np.float32] | None

    @classmethod
    def of(cls, cascade: Cascade, person: Person) -> Signals:
        """Signals for a person at a moment."""
        situation = Situation.of(cascade.memory, person)
        by_regression = {
            name: cls._regression(name, regression, situation)
            for name, regression in cascade.regressions.items()
        }
        sequence = cascade.sequence
        by_sequence = None if sequence is None else sequence.scores(situation)
        company, votes = covisitation.company(situation), sessions.votes(situation)
        return cls(cascade, situation, company, votes, by_regression, by_sequence)

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
        cascade, index = self.cascade, self.cascade.index
        if name in _MEMORY_SOURCES:
            if name not in ("stage", "trending") and not len(self.situation.recent):
                return np.zeros(0, np.int64)
            scores = self._source_scores(name)
            return best_eligible(scores, cascade.index_rows_of_memory, eligible, budget)
        if name == "sequence" and self.by_sequence is not None and cascade.sequence is not None:
            items = cascade.sequence.items
            return best_eligible(self.by_sequence, partial(items.to_index, index), eligible, budget)
        if name == "regression" and name in self.by_regression:
            items = cascade.regressions[name].items
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
        cascade, index = self.cascade, self.cascade.index
        signals = np.zeros((len(catalogue.NAMES), len(rows)), np.float32)
        memory_rows = cascade.memory_rows_of_index(rows)
        signals[: len(catalogue.BY_MEMORY_ROW)] = np.concatenate(
            [
                covisitation.covisitation(self.situation, self.company, memory_rows),
                sessions.sessions(self.votes, memory_rows),
                popularity.popularity(self.situation, memory_rows),
            ]
        )
        for name, regression in cascade.regressions.items():
            model_rows = regression.items.of_index(index, rows)
            values = self.by_regression[name]
            first = catalogue.POSITION[_FIRST_SIGNAL[name]]
            found = signals[first : first + len(values)]
            if values.shape[1]:
                found[:] = np.where(model_rows >= 0, values[:, model_rows], 0.0)
            if name == "regression_ever":
                found[0, model_rows < 0] = np.log(_LIKING_FLOOR)
        if cascade.sequence is not None and self.by_sequence is not None:
            model_rows = cascade.sequence.items.of_index(index, rows)
            sequence = signals[catalogue.POSITION["sequence"]]
            met = model_rows >= 0
            sequence[met] = self.by_sequence[model_rows[met]]
            if met.any() and not met.all():
                # An item that the model has not met is as likely as the less likely ones.
                sequence[~met] = np.quantile(sequence[met], 0.25)
        first = catalogue.POSITION[content.NAMES[0]]
        signals[first:] = content.content(self.situation, index, rows, self._recent_index_rows())
        return np.ascontiguousarray(signals.T)

    def _recent_index_rows(self) -> NDArray[np.int64]:
        return self.cascade.index_rows_of_memory(self.situation.recent.rows)

    def _source_scores(self, name: str) -> NDArray[np.floating]:
        """What a source goes by, for every item of the memory, [items]."""
        counts, items = self.cascade.memory.popularity, slice(0, len(self.cascade.memory))
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
        index = self.cascade.index
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
        index, settings = self.cascade.index, self.cascade.settings
        created = index.created_at_ms.astype(np.float64)
        created[~eligible] = -np.inf
        newest = _top(created, index.hashes, 8 * budget)
        return newest[self.cascade.positives(newest) < settings.new_item_events][:budget]


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


def _columns_of(families: Sequence[str]) -> NDArray[np.int64]:
    """The signals of these families."""
    unknown = [name for name in families if name not in catalogue.FAMILIES]
    if unknown:
        raise SettingError(
            f"there is no family of signals {unknown[0]!r}; there are {', '.join(catalogue.FAMILIES)}"
        )
    return np.flatnonzero(np.isin(_FAMILY_OF_SIGNAL, [catalogue.FAMILIES.index(one) for one in families]))


def _top(scores: NDArray[np.floating], hashes: NDArray[np.uint64], budget: int) -> NDArray[np.int64]:
    """Positions of the highest finite scores, best first; equal ones by hash, as workers' rows differ."""
    budget = min(budget, len(scores))
    if not budget:
        return np.zeros(0, np.int64)
    least = np.partition(scores, len(scores) - budget)[len(scores) - budget]
    best = np.flatnonzero((scores >= least) & np.isfinite(scores))
    return best[np.lexsort((hashes[best], -scores[best]))][:budget]
