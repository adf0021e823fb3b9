"""What is evaluated: anything that ranks, and may learn, behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.cascade.person import Interaction, Person
from models.cascade.ranking import Ranking
from models.profile import Profile
from models.retrieval.columns import Mask
from streams.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Moment:
    """A person at one moment: as rankers of today take them, and as the cascade does."""

    profile: Profile
    person: Person

    @classmethod
    def of(cls, profile: Profile, now_ms: int, context: Mapping[str, Any] | None = None) -> Moment:
        """The person behind a profile at a time in milliseconds since the epoch."""
        return cls(profile, Person.of(profile, now_ms, context))


class Contender(Protocol):
    """A ranker under evaluation, with all that it knows across people.

    For each event `learn` and then `observe` are called with the person as before it. What `updates` gives is
    what a worker would publish, and ranks nothing before `load` takes it.
    """

    name: str

    @property
    def steps(self) -> int:
        """Events that weights were learned from."""

    def rank(self, moment: Moment, eligible: Mask) -> Ranking:
        """Candidates of a list, best first; ``eligible`` is bool [index.rows]."""

    def rank_rows(self, moment: Moment, rows: NDArray[np.int64]) -> Ranking:
        """Just these rows of the index, best first."""

    def learn(self, moment: Moment, interaction: Interaction, eligible: Mask) -> None:
        """Learn from an event; ``eligible`` as before it."""

    def observe(self, moment: Moment, interaction: Interaction) -> None:
        """Take the event in."""

    def refit_due(self) -> bool:
        """Whether models are to be trained anew."""

    def refit(self) -> tuple[str, ...]:
        """Train them, and return their names; takes seconds."""

    def updates(self) -> Mapping[str, bytes]:
        """What a worker would publish now, by model; empty where nothing is due."""

    def load(self, updates: Mapping[str, bytes]) -> None:
        """Rank with what was published."""

    def restart(self, people: Sequence[Person]) -> None:
        """Forget all but what a worker that starts anew finds: people's histories, and what was published.

        Raises:
            ConfigurationError: It has nothing to restart from.
        """


class CascadeLike(Protocol):
    """What is needed of `models.cascade.cascade.Cascade`.

    ``weights`` are what it ranks with, and may be set: a learner sets them at each step.
    """

    weights: Any

    def rank(self, person: Person, eligible: Mask) -> Ranking:
        """See `Contender.rank`."""

    def rank_rows(self, person: Person, rows: NDArray[np.int64]) -> Ranking:
        """See `Contender.rank_rows`."""

    def observe(self, person: Person, interaction: Interaction) -> None:
        """See `Contender.observe`."""

    def load(self, model: str, payload: bytes) -> None:
        """Take one model over."""

    def backfill(self, people: Sequence[Person]) -> None:
        """Build on histories."""


class LearnerLike(Protocol):
    """What is needed of `models.cascade.learner.Learner`."""

    @property
    def steps(self) -> int:
        """See `Contender.steps`."""

    def learn(self, person: Person, interaction: Interaction, eligible: Mask) -> object:
        """See `Contender.learn`."""

    def refit_due(self) -> bool:
        """See `Contender.refit_due`."""

    def refit(self) -> tuple[str, ...]:
        """See `Contender.refit`."""

    def updates(self) -> Mapping[str, bytes]:
        """See `Contender.updates`."""

    def state(self) -> bytes:
        """What a successor needs; published with the weights."""

    def restore(self, state: bytes) -> None:
        """Go on where another ended."""


class CascadeContender:
    """The cascade that ranks and learns, as recommend and learn workers have it.

    One cascade serves both, so that an event's signals are computed once. In a deployment there are two, and
    the learner's own weights are ahead of those that rank: here they are put aside while lists are ranked.

    Args:
        cascade: With an index that holds the catalogue.
        learner: Learns for it; None leaves the cascade as it is loaded.
        candidates: Where no more items than this are eligible, all are ranked, whatever sources propose: as
            lists are made.
        anew: Makes a cascade and a learner that know nothing, for `restart`.
    """

    name = "cascade"

    def __init__(
        self,
        cascade: CascadeLike,
        learner: LearnerLike | None,
        candidates: int = 0,
        anew: Callable[[], tuple[CascadeLike, LearnerLike]] | None = None,
    ) -> None:
        self._cascade = cascade
        self._learner = learner
        self._candidates = candidates
        self._anew = anew
        self._published = cascade.weights
        self._newest: dict[str, bytes] = {}
        self._state: bytes | None = None

    @property
    def steps(self) -> int:
        """See `Contender.steps`."""
        return 0 if self._learner is None else self._learner.steps

    def rank(self, moment: Moment, eligible: Mask) -> Ranking:
        """See `Contender.rank`."""
        if np.count_nonzero(eligible) <= self._candidates:
            return self.rank_rows(moment, np.flatnonzero(eligible))
        with self._published_weights():
            return self._cascade.rank(moment.person, eligible)

    def rank_rows(self, moment: Moment, rows: NDArray[np.int64]) -> Ranking:
        """See `Contender.rank_rows`."""
        with self._published_weights():
            return self._cascade.rank_rows(moment.person, rows)

    def learn(self, moment: Moment, interaction: Interaction, eligible: Mask) -> None:
        """See `Contender.learn`."""
        if self._learner is not None:
            self._learner.learn(moment.person, interaction, eligible)

    def observe(self, moment: Moment, interaction: Interaction) -> None:
        """See `Contender.observe`."""
        self._cascade.observe(moment.person, interaction)

    def refit_due(self) -> bool:
        """See `Contender.refit_due`."""
        return self._learner is not None and self._learner.refit_due()

    def refit(self) -> tuple[str, ...]:
        """See `Contender.refit`."""
        return () if self._learner is None else self._learner.refit()

    def updates(self) -> Mapping[str, bytes]:
        """See `Contender.updates`."""
        return {} if self._learner is None else self._learner.updates()

    def load(self, updates: Mapping[str, bytes]) -> None:
        """See `Contender.load`."""
        learned = self._cascade.weights
        for model, payload in updates.items():
            self._cascade.load(model, payload)
        if self._cascade.weights is not learned:
            self._published = self._cascade.weights
        if updates and self._anew is not None and self._learner is not None:
            self._newest |= updates
            self._state = self._learner.state()

    def restart(self, people: Sequence[Person]) -> None:
        """See `Contender.restart`. Events since the last publication are not learned from again."""
        if self._anew is None:
            raise ConfigurationError("this contender cannot be restarted")
        self._cascade, self._learner = self._anew()
        self._cascade.backfill(people)
        for model, payload in self._newest.items():
            self._cascade.load(model, payload)
        self._published = self._cascade.weights
        if self._state is not None:
            self._learner.restore(self._state)

    @contextmanager
    def _published_weights(self) -> Iterator[None]:
        learned = self._cascade.weights
        self._cascade.weights = self._published
        try:
            yield
        finally:
            self._cascade.weights = learned
