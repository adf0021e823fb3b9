"""A cascade and a learner of few lines: popularity and co-visitation, weighed by one learned number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.cascade.person import Interaction, Person
from models.cascade.ranking import Ranking
from models.retrieval import ItemIndex
from models.retrieval.columns import Mask

PARTS = ("popularity", "covisitation")
SOURCES = ("popular", "covisited")


@dataclass
class StandInCascade:
    """Score = log(1 + popularity) + weight · co-visits with the last item; the weight is learned."""

    index: ItemIndex
    weights: float = 1.0
    popular: Counter[str] = field(default_factory=Counter)
    covisits: Counter[tuple[str, str]] = field(default_factory=Counter)
    observed: list[tuple[Person, Interaction]] = field(default_factory=list)
    ranked_after: list[int] = field(default_factory=list)

    def observe(self, person: Person, interaction: Interaction) -> None:
        self.observed.append((person, interaction))
        if interaction.weight > 0:
            self.popular[interaction.item_id] += 1
            for item_id in person.item_ids[-3:]:
                self.covisits[item_id, interaction.item_id] += 1
                self.covisits[interaction.item_id, item_id] += 1

    def rank(self, person: Person, eligible: Mask) -> Ranking:
        self.ranked_after.append(len(self.observed))
        return self.rank_rows(person, np.flatnonzero(eligible))

    def rank_rows(self, person: Person, rows: NDArray[np.int64]) -> Ranking:
        item_ids = [self.index.item_id(row) for row in rows.tolist()]
        last = person.item_ids[-1] if person.item_ids else ""
        popularity = np.log1p([float(self.popular[one]) for one in item_ids])
        covisits = self.weights * np.array([float(self.covisits[last, one]) for one in item_ids])
        parts = np.column_stack([popularity, covisits]).reshape(len(rows), 2)
        scores = parts.sum(axis=1)
        order = np.lexsort((self.index.hashes[rows], -scores))
        proposed = 1 + 2 * (covisits > 0).astype(np.uint32)
        return Ranking(rows[order], scores[order], PARTS, parts[order], SOURCES, proposed[order])

    def load(self, model: str, payload: bytes) -> None:
        assert model == "ranker"
        self.weights = msgspec.msgpack.decode(payload)


@dataclass
class StandInLearner:
    """Learns that co-visits count: a step for each positive event, published every few events."""

    cascade: StandInCascade
    publish_events: int = 4
    refit_events: int = 10
    steps: int = 0
    unpublished: int = 0
    refits: int = 0
    learned_before_observed: bool = True

    def learn(self, person: Person, interaction: Interaction, eligible: Mask) -> None:
        self.learned_before_observed &= self.steps == len(self.cascade.observed)
        row = self.cascade.index.item_rows[interaction.item_id]
        assert eligible[row]
        self.steps += 1
        self.unpublished += 1
        self.cascade.weights += 0.1 * (interaction.weight > 0)

    def refit_due(self) -> bool:
        return self.steps >= self.refit_events * (self.refits + 1)

    def refit(self) -> tuple[str, ...]:
        self.refits += 1
        return ("item2vec",)

    def updates(self) -> Mapping[str, bytes]:
        if self.unpublished < self.publish_events:
            return {}
        self.unpublished = 0
        return {"ranker": msgspec.msgpack.encode(self.cascade.weights)}
