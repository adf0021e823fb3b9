"""The one writer's half of the cascade: steps of the ranker, trainings of source models, safeguards."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.cascade.cascade import ITEM2VEC, RANKER, SEQUENCE, Cascade
from models.cascade.person import Interaction, Person
from models.cascade.settings import LearnSettings
from models.cascade.trained import TrainedItem2Vec, TrainedRegression, TrainedSequence, grades
from models.errors import ModelError
from models.profile.hashing import hash64
from models.ranking.objectives import ObjectiveHead
from models.ranking.online import OnlineLearner
from models.ranking.ranker import RankerWeights, encode_weights
from models.retrieval.filters import AttributeValue
from models.sequence import item_regression
from models.sequence.attribute_columns import choose_columns
from models.sequence.history import History
from models.sequence.item2vec import Item2Vec
from models.sequence.model import SequenceModel


@dataclass(frozen=True, slots=True)
class LearnStep:
    """What one event taught.

    Attributes:
        loss: Of the ranker on it, before the step; None where nothing could be learned.
        fell_back: Whether the drift alarm brought the last good weights back.
    """

    loss: float | None
    fell_back: bool = False


class _State(msgspec.Struct, array_like=True):
    """What a successor goes on with; states of before objectives have no heads."""

    online: bytes
    trainings: int
    trained: bool
    begun_anew_at: int
    names: tuple[tuple[str, ...], tuple[str, ...]]
    heads: dict[str, bytes] = {}


class Learner:
    """Learns from events, each before the cascade takes it in.

    Args:
        cascade: Whose weights and models are learned; it uses them at once.
        settings: See `LearnSettings`.
    """

    def __init__(self, cascade: Cascade, settings: LearnSettings) -> None:
        self._cascade = cascade
        self._settings = settings
        self._online = OnlineLearner(cascade.weights.values, settings.online)
        self._heads = self._new_heads()
        self._trainings = 0
        self._trained_at: int | None = None
        self._begun_anew_at = 0
        self._published_steps = 0
        self._unpublished: tuple[str, ...] = ()
        cascade.sequence_settings = settings.sequence
        cascade.item2vec_settings = settings.item2vec

    @property
    def steps(self) -> int:
        """Events learned from, ever."""
        return self._online.steps

    def learn(self, person: Person, interaction: Interaction, eligible: NDArray[np.bool_]) -> LearnStep:
        """Learn from an event on an item that was still to be chosen; a repeat teaches the ranker nothing.

        Args:
            person: As before the event.
            interaction: The event.
            eligible: By row of the index: what could have been listed.
        """
        weight = self._target_weight(interaction)
        share = self._settings.share
        if share < 1.0:
            if _lot(interaction) >= share:
                return LearnStep(None)
            weight /= share
        index = self._cascade.index
        row = index.item_rows.get(interaction.item_id)
        if row is None or weight <= 0.0 or row >= len(eligible) or not eligible[row]:
            return LearnStep(None)
        found = self._cascade.candidates_with(person, eligible, row)
        if found is None or len(found[0].rows) < 2:
            # The sources, not the ranker, would have to be better.
            return LearnStep(None)
        candidates, target = found
        lesson = (candidates.standardised, candidates.gates, target, weight)
        own = [
            head.learn(*lesson, self._online)
            for objective, head in self._heads.items()
            if interaction.action in self._settings.objectives[objective]
        ]
        loss, fell_back = self._online.learn(*lesson)
        self._serve()
        return LearnStep(loss if math.isfinite(loss) else None, fell_back or any(own))

    def refit_due(self) -> bool:
        """Whether models of sources are to be trained anew."""
        seen = self._cascade.log.count
        if self._trained_at is None:
            return seen >= self._settings.first_refit_events
        return seen - self._trained_at >= self._settings.refit_events

    def refit(self) -> tuple[str, ...]:
        """Train the models of sources on the log of events; which were trained."""
        settings, log = self._settings, self._cascade.log
        items = self._cascade.memory.items
        item_ids = {row: items.item_id(row) for row in range(len(items))}
        most = settings.regression_items
        regressions = {
            "regression": TrainedRegression(item_regression.fit(log, item_ids, most)),
            "regression_ever": TrainedRegression(item_regression.fit_ever(log, item_ids, most)),
            "regression_signed": TrainedRegression(item_regression.fit_signed(log, item_ids, most)),
            "liking": TrainedRegression(item_regression.fit_liking(log, item_ids, most)),
        }
        anew = log.count >= settings.anew_growth * self._begun_anew_at
        if anew or self._cascade.sequence is None:
            self._begun_anew_at = log.count
        sequence = self._train_sequence(item_ids, anew)
        item2vec = self._train_item2vec(item_ids, anew)
        self._cascade.take(sequence, item2vec, regressions)
        self._trainings += 1
        self._trained_at = log.count
        self._unpublished = (SEQUENCE, ITEM2VEC, *regressions)
        return self._unpublished

    def updates(self, *, force: bool = False) -> dict[str, bytes]:
        """What is to be published now, by model: models just trained, the ranker every so many events.

        Args:
            force: The ranker where anything was learned since it was last published.
        """
        found: dict[str, bytes] = {}
        learned = self.steps - self._published_steps
        if learned >= self._settings.publish_events or (force and learned > 0):
            found[RANKER] = encode_weights(self._cascade.weights)
            self._published_steps = self.steps
        for name in self._unpublished:
            if name in (SEQUENCE, ITEM2VEC):
                trained = self._cascade.sequence if name == SEQUENCE else self._cascade.item2vec
                if trained is not None:
                    found[name] = trained.encode()
            else:
                model = self._cascade.regressions[name].model
                found[name] = item_regression.encode(model, self._settings.regression_kept)
        self._unpublished = ()
        return found

    def state(self) -> bytes:
        """What a successor goes on with; models come to it as they were published."""
        trained = self._trained_at is not None
        names = (self._cascade.weights.gates, self._cascade.weights.signals)
        heads = {objective: head.state() for objective, head in self._heads.items()}
        return msgspec.msgpack.encode(
            _State(self._online.state(), self._trainings, trained, self._begun_anew_at, names, heads)
        )

    def restore(self, state: bytes) -> None:
        """Go on where `state` was taken; an objective that it does not know begins anew.

        Raises:
            ModelError: It is something else, or of other gates or signals.
        """
        try:
            held = msgspec.msgpack.decode(state, type=_State)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ModelError(f"the state of a learner cannot be read: {error}") from None
        weights = self._cascade.weights
        if held.names != (tuple(weights.gates), tuple(weights.signals)):
            raise ModelError("the state of a learner is of other gates or signals")
        self._online.restore(held.online)
        for objective in self._heads.keys() & held.heads.keys():
            self._heads[objective].restore(held.heads[objective])
        self._trainings = held.trainings
        self._begun_anew_at = held.begun_anew_at
        # Trained as of what is remembered at the start: the next training is a full interval away.
        self._trained_at = self._cascade.log.count if held.trained else None
        self._published_steps = self.steps
        self._serve()

    def begin_from_held(self) -> None:
        """Begin anew from the ranker that the cascade holds, which is read by names whatever a state was."""
        self._online = OnlineLearner(self._cascade.weights.values, self._settings.online)
        self._heads = self._new_heads()
        self._published_steps = 0

    def _new_heads(self) -> dict[str, ObjectiveHead]:
        shape = self._cascade.weights.values.shape
        return {
            objective: ObjectiveHead(shape, self._settings.online) for objective in self._settings.objectives
        }

    def _serve(self) -> None:
        """Let the cascade rank with what was learned."""
        weights, online = self._cascade.weights, self._online
        own = {objective: head.served(online) for objective, head in self._heads.items()}
        self._cascade.weights = RankerWeights(weights.gates, weights.signals, online.served, own)

    def _target_weight(self, interaction: Interaction) -> float:
        settings = self._settings
        if interaction.action in settings.target_weights:
            return settings.target_weights[interaction.action]
        if interaction.weight > 0:
            return settings.positive_target_weight
        return settings.other_target_weight

    def _train_sequence(self, item_ids: dict[int, str], anew: bool) -> TrainedSequence:
        settings = self._settings
        held = self._cascade.sequence
        seen = self._cascade.log.count
        if held is None or anew:
            known = list(item_ids.values())
            columns = choose_columns(self._attributes(known))
            content = columns.matrix(self._attributes(known)) if columns.count else None
            model = SequenceModel(
                len(known), settings.sequence, seed=settings.seed + self._trainings, content=content
            )
            epochs, rate, window = settings.first_epochs, None, seen
        else:
            model = held.model
            known = held.item_ids + [one for one in item_ids.values() if one not in held.items.row_of]
            columns = held.columns
            content = columns.matrix(self._attributes(known)) if columns.count else None
            model.grow(len(known), seed=settings.seed + 1 + self._trainings, content=content)
            epochs, rate, window = settings.epochs, settings.sequence.refit_rate, settings.window_events
        trained = TrainedSequence(model, known, columns)
        row_of = np.array([trained.items.row_of[item_ids[row]] for row in range(len(item_ids))], np.int64)
        model.fit(
            list(self._histories(row_of, window)),
            epochs=epochs,
            seed=settings.seed + 7_919 * (self._trainings + 1),
            learning_rate=rate,
        )
        return trained

    def _train_item2vec(self, item_ids: dict[int, str], anew: bool) -> TrainedItem2Vec:
        """Train on the items used most, over all events anew or on over those since the last training."""
        settings, log = self._settings.item2vec, self._cascade.log
        held = self._cascade.item2vec
        used = np.bincount(log.sequences()[0], minlength=len(item_ids))
        most = np.argsort(-used, kind="stable")[: self._settings.regression_items]
        most = np.sort(most[used[most] > 0])
        known = [item_ids[row] for row in most.tolist()]
        seed = self._settings.seed + self._trainings
        if held is None or anew:
            model = Item2Vec(len(known), settings, seed=seed)
            epochs, rate, window = settings.first_epochs, settings.learning_rate, log.count
        else:
            rows = np.array([held.items.row_of.get(item_id, -1) for item_id in known], np.int64)
            model = held.model.rearranged(rows, seed=seed)
            epochs, rate, window = settings.epochs, settings.refit_rate, log.count - (self._trained_at or 0)
        row_of = np.full(len(item_ids), -1, np.int64)
        row_of[most] = np.arange(len(most))
        histories = list(self._histories(row_of, window))
        model.fit(histories, epochs=epochs, seed=seed, learning_rate=rate)
        return TrainedItem2Vec(model, known)

    def _attributes(self, item_ids: list[str]) -> list[Mapping[str, AttributeValue]]:
        index = self._cascade.index
        rows = [index.item_rows.get(item_id) for item_id in item_ids]
        return [{} if row is None else index.attributes(row) for row in rows]

    def _histories(self, row_of: NDArray[np.int64], window: int) -> Iterator[History]:
        """Histories of the log whose last events are within the window of newest events.

        Events on items without a row, −1, are left out.
        """
        items, people, weights, times_s = self._cascade.log.sequences()
        numbers = self._cascade.log.numbers_by_person()
        first = self._cascade.log.count - window
        starts = np.flatnonzero(np.r_[True, people[1:] != people[:-1]]) if len(people) else np.zeros(0, int)
        for begin, end in zip(starts.tolist(), [*starts[1:].tolist(), len(people)], strict=True):
            if (numbers[begin:end] < first).all():
                continue
            kept = begin + np.flatnonzero(row_of[items[begin:end]] >= 0)
            yield History(
                row_of[items[kept]],
                grades(weights[kept]),
                (times_s[kept] * 1_000.0).astype(np.int64),
                first_target=int((numbers[kept] < first).sum()),
            )


def _lot(interaction: Interaction) -> float:
    """A number within [0, 1) that an event always draws, so that a successor skips the same ones."""
    event = f"{interaction.user_id}\x00{interaction.item_id}\x00{interaction.occurred_at_ms}"
    return int.from_bytes(hash64(event), "little") / 2.0**64
