"""Candidates, signals and scores from all that is known across people and items. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.cascade.asking import with_asked
from models.cascade.explanation import explain
from models.cascade.knowledge import Knowledge
from models.cascade.moment import Signals
from models.cascade.person import Interaction, Person
from models.cascade.ranking import Ranking
from models.cascade.settings import SOURCES, CascadeSettings
from models.cascade.trained import TrainedItem2Vec, TrainedRegression, TrainedSequence
from models.errors import ModelError, SettingError
from models.ranking.ranker import RankerWeights, decode_weights, encode_weights, standardise
from models.ranking.reasons import Reason
from models.retrieval.index import ItemIndex
from models.sequence import item_regression
from models.sequence.item2vec import Item2VecSettings
from models.sequence.settings import SequenceSettings
from models.signals import catalogue, gates
from models.signals.start import start_weights
from models.sources import Proposals, unite
from models.sources.registry import REGISTRY
from models.user import UserModel

RANKER = "ranker"
SEQUENCE = "sequence"
ITEM2VEC = "item2vec"
REGRESSIONS = ("regression", "regression_ever", "regression_signed", "liking")


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


class Cascade(Knowledge):
    """All that is known across people and items; candidates, signals and scores from it.

    Not thread-safe. A pure function of the calls made: two that are told the same answer the same.

    Args:
        index: The items; somebody else keeps it current.
        settings: See `CascadeSettings`.
    """

    def __init__(self, index: ItemIndex, settings: CascadeSettings) -> None:
        super().__init__(index, settings)
        self._known = catalogue.signal_set(with_user_model=settings.user_model)
        begun = start_weights(with_user_model=settings.user_model)
        self.weights = RankerWeights(gates.NAMES, self._known.names, begun)
        self.sequence_settings = SequenceSettings()
        self.item2vec_settings = Item2VecSettings()
        # Of the last person at their moment: a list is often followed by an event that it is learned from.
        self._cached: tuple[tuple[object, ...], Signals] | None = None
        self._cached_candidates: tuple[Signals, NDArray[np.bool_], Mapping[str, int], Candidates] | None = (
            None
        )
        self._left_out = _columns_of(settings.without, self._known)

    def use_index(self, index: ItemIndex) -> None:
        """See `Knowledge.use_index`."""
        super().use_index(index)
        self._cached = self._cached_candidates = None

    def use_user_model(self, model: UserModel | None) -> None:
        """See `Knowledge.use_user_model`."""
        super().use_user_model(model)
        self._cached = self._cached_candidates = None

    def expect_user_model(self) -> None:
        """Have a signal for a user model from now on; the weights that were learned are kept.

        A learner that was made before goes on without it.
        """
        if self.settings.user_model:
            return
        self.settings = replace(self.settings, user_model=True)
        self._known = catalogue.signal_set(with_user_model=True)
        self.weights = decode_weights(encode_weights(self.weights), gates.NAMES, self._known.names)
        self._left_out = _columns_of(self.settings.without, self._known)
        self._cached = self._cached_candidates = None

    def observe(self, person: Person, interaction: Interaction) -> None:
        """Take in an event of a person, as they were before it."""
        self.memory.observe(person, interaction)
        self._cached = None

    def backfill(self, people: Sequence[Person]) -> None:
        """Build on histories alone, in the order of their events' times."""
        self.memory.observe_histories(people)
        self._cached = self._cached_candidates = None

    def forget(self, user_id: str) -> int:
        """Take back what a person did, as far as the memory can tell; how many events that were."""
        self._cached = None
        self._cached_candidates = None
        return self.memory.forget(user_id)

    def rank(
        self,
        person: Person,
        eligible: NDArray[np.bool_],
        budgets: Mapping[str, int] | None = None,
        objectives: Mapping[str, float] | None = None,
    ) -> Ranking:
        """Candidates from all sources, ranked.

        Args:
            person: Whose list, and when.
            eligible: By row of the index; False for what was seen, filtered out or is not available.
            budgets: Over those of the settings.
            objectives: Objective → how much it counts, instead of the settings'.
        """
        return self._answer(person, self._ranked(self.candidates(person, eligible, budgets), objectives))

    def rank_rows(
        self, person: Person, rows: NDArray[np.int64], objectives: Mapping[str, float] | None = None
    ) -> Ranking:
        """Just these rows of the index, ranked; ``objectives`` as `rank`'s."""
        proposals = Proposals(np.asarray(rows, np.int64), np.zeros(len(rows), np.uint32))
        candidates = self._complete(self._signals(person), proposals)
        return self._answer(person, self._ranked(candidates, objectives))

    def candidates(
        self,
        person: Person,
        eligible: NDArray[np.bool_],
        budgets: Mapping[str, int] | None = None,
    ) -> Candidates:
        """Candidates from all sources with their signals; see `rank`."""
        signals, wanted = self._signals(person), budgets or {}
        return self._at_hand(signals, eligible, wanted) or self._keep(
            signals, eligible, wanted, self._proposals(signals, eligible, wanted)
        )

    def candidates_with(
        self, person: Person, eligible: NDArray[np.bool_], row: int
    ) -> tuple[Candidates, int] | None:
        """Candidates, and where a row of the index stands among them; None where no source proposes it.

        That is known before the signals of all of them are computed.
        """
        signals = self._signals(person)
        found = self._at_hand(signals, eligible, {})
        if found is None:
            proposals = self._proposals(signals, eligible, {})
            if row not in proposals.rows:
                return None
            found = self._keep(signals, eligible, {}, proposals)
        places = (found.rows == row).nonzero()[0]
        return (found, int(places[0])) if len(places) else None

    def explain(self, person: Person, ranking: Ranking, positions: Sequence[int]) -> list[tuple[Reason, ...]]:
        """Why each of these positions has its score; contributions sum to it."""
        signals = self._signals(person)
        return explain(
            self.index,
            signals.situation,
            signals.taste,
            ranking,
            positions,
            self.settings.reason_items,
        )

    def parameters(self) -> dict[str, bytes]:
        """Everything learned, by model."""
        found = {RANKER: encode_weights(self.weights)}
        if self.sequence is not None:
            found[SEQUENCE] = self.sequence.encode()
        if self.item2vec is not None:
            found[ITEM2VEC] = self.item2vec.encode()
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
            self.weights = decode_weights(payload, gates.NAMES, self._known.names)
        elif model == SEQUENCE:
            self.sequence = TrainedSequence.decode(payload, self.sequence_settings)
        elif model == ITEM2VEC:
            self.item2vec = TrainedItem2Vec.decode(payload, self.item2vec_settings)
        elif model in REGRESSIONS:
            self.regressions[model] = TrainedRegression(item_regression.decode(payload))
        else:
            raise ModelError(f"there is no learned model {model!r}")

    def take(
        self,
        sequence: TrainedSequence | None,
        item2vec: TrainedItem2Vec | None,
        regressions: Mapping[str, TrainedRegression],
    ) -> None:
        """Take trained models over as they are."""
        self._cached = None
        self.sequence, self.item2vec = sequence, item2vec
        self.regressions = dict(regressions)

    def _answer(self, person: Person, ranking: Ranking) -> Ranking:
        """The ranking, mixed with what the person asks for in words, where they do."""
        if person.asked is None:
            return ranking
        share = self.settings.asked_share if len(person.item_ids) else 1.0
        return with_asked(self.index, ranking, person.asked, share)

    def _signals(self, person: Person) -> Signals:
        asked = None if person.asked is None else person.asked.tobytes()
        key = (person.user_id, person.events, person.now_ms, len(person.item_ids), person.context, asked)
        if self._cached is None or self._cached[0] != key:
            self._cached = (key, Signals.of(self, person))
        return self._cached[1]

    def _at_hand(
        self, signals: Signals, eligible: NDArray[np.bool_], budgets: Mapping[str, int]
    ) -> Candidates | None:
        """The last candidates, where the same are asked for."""
        cached = self._cached_candidates
        is_same = (
            cached is not None
            and cached[0] is signals
            and cached[2] == budgets
            and np.array_equal(cached[1], eligible)
        )
        return cached[3] if cached is not None and is_same else None

    def _keep(
        self,
        signals: Signals,
        eligible: NDArray[np.bool_],
        budgets: Mapping[str, int],
        proposals: Proposals,
    ) -> Candidates:
        candidates = self._complete(signals, proposals)
        self._cached_candidates = (signals, eligible.copy(), dict(budgets), candidates)
        return candidates

    def _proposals(
        self, signals: Signals, eligible: NDArray[np.bool_], budgets: Mapping[str, int]
    ) -> Proposals:
        # Another object for each list: what is kept for one must not serve where it has changed since.
        eligible = eligible.view()
        all_budgets = {**self.settings.budgets, **budgets}
        wanted = [all_budgets.get(name, 0) for name in SOURCES]
        lists = [
            REGISTRY[name](signals, eligible, budget) if budget else np.zeros(0, np.int64)
            for name, budget in zip(SOURCES, wanted, strict=True)
        ]
        united = unite(lists, wanted, self.settings.candidates)
        missing = self.settings.candidates - len(united.rows)
        if missing > 0:
            # A small catalogue, or a narrow filter: whatever else may be listed.
            rest = eligible.copy()
            rest[united.rows] = False
            others = np.flatnonzero(rest)
            others = others[np.argsort(self.index.hashes[others])][:missing]
            rows = np.concatenate([united.rows, others])
            return Proposals(rows, np.concatenate([united.sources, np.zeros(len(others), np.uint32)]))
        return united

    def _complete(self, signals: Signals, proposals: Proposals) -> Candidates:
        # Sums over the candidates round alike in every worker, however it numbers its rows.
        order = np.argsort(self.index.hashes[proposals.rows])
        rows, sources = proposals.rows[order], proposals.sources[order]
        standardised = standardise(signals.of_rows(rows), self._known.spreads)
        standardised[:, self._left_out] = 0.0
        return Candidates(rows, sources, standardised, gates.gates(signals.situation))

    def _ranked(self, candidates: Candidates, objectives: Mapping[str, float] | None) -> Ranking:
        counts = self.settings.objectives if objectives is None else objectives
        known = self._known
        weights = self.weights.effective(candidates.gates, counts)[known.by_family, None]
        weighted = candidates.standardised.T[known.by_family] * weights
        # Not a product of matrices: an item's sums round alike in whatever row it stands.
        by_family = np.empty((len(known.families), len(candidates.rows)))
        for family, signals in enumerate(known.of_families):
            np.add.reduce(weighted[signals], axis=0, dtype=np.float64, out=by_family[family])
        parts = by_family.T
        scores = np.add.reduce(by_family, axis=0)
        order = np.lexsort((self.index.hashes[candidates.rows], -scores))
        return Ranking(
            candidates.rows[order],
            scores[order],
            known.families,
            parts[order],
            SOURCES,
            candidates.sources[order],
        )


def _columns_of(families: Sequence[str], known: catalogue.SignalSet) -> NDArray[np.int64]:
    """The signals of these families."""
    unknown = [name for name in families if name not in catalogue.FAMILIES]
    if unknown:
        raise SettingError(
            f"there is no family of signals {unknown[0]!r}; there are {', '.join(catalogue.FAMILIES)}"
        )
    return known.columns_of(families)
