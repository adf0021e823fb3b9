"""How the join works on a person's state: what records and the ends of waits have in common."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from streams.codec import encode
from streams.records import Outgoing
from streams.settings import Settings
from workers.outcome_counts import OutcomeCounts
from workers.popularity_shares import PopularityShares
from workers.state.exposures import (
    TIMER,
    Decisions,
    Exposures,
    JoinBounds,
    NothingDecided,
    Step,
    encode_exposures,
    exposures_key,
    timers_name,
)
from workers.state.store import (
    MISSING,
    VERSION_BYTES,
    DistinctAddition,
    TallyIncrement,
    TimerChange,
    Write,
)

STAGE = "join"
# A wait is looked at again after so long, where no list of that person came before.
FIRST_LOOK_S = 1.0
# More than may be in flight: outcomes of a source that this worker knows nothing of are not kept for ever.
MAX_OWED = 5_000
_DAY_S = 86_400


@dataclass(slots=True)
class Changes:
    """What several people's steps do, together."""

    counts: OutcomeCounts
    unmatched: Counter[str] = field(default_factory=Counter)
    writes: list[Write] = field(default_factory=list)
    timers: list[TimerChange] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)

    def count(self, step: Step) -> None:
        """Count what a step did."""
        for shown in step.lists:
            self.counts.add_list(shown)
        for joined in step.joined:
            self.counts.add_outcome(joined.counted)
        for recalled in step.recalled:
            self.counts.add_outcome(recalled)
        self.unmatched.update(step.unmatched)


class JoinSteps:
    """Makes steps, and what is written of them.

    Args:
        outcomes_topic: The full name.
        now: The wall clock.
        decided: See `Step`.
        behind_ms: See `Step`.
    """

    def __init__(
        self,
        settings: Settings,
        outcomes_topic: str,
        popularity: PopularityShares,
        now: Callable[[], datetime],
        decided: Decisions | None = None,
        behind_ms: Callable[[], float] = lambda: math.inf,
    ) -> None:
        join = settings.join
        self._outcomes_topic = outcomes_topic
        self._popularity = popularity
        self._now = now
        self._decided = decided or NothingDecided()
        self._behind_ms = behind_ms
        self._bounds = JoinBounds(round(join.window_hours * 3_600e6), join.lists_per_user)
        self._conversions = frozenset(join.conversions)
        self._actions = frozenset(settings.profile.actions)
        # A list counts for one window after it was shown, an event may come one window after it occurred.
        self._keep_s = round(2 * join.window_hours * 3_600) + 3_600
        self._keep_counts_s = join.report_days * _DAY_S
        # By source: the offset before which every outcome is in Kafka.
        self._published_until: dict[str, int] = {}

    def changes(self) -> Changes:
        """Nothing yet."""
        return Changes(OutcomeCounts(self._actions, self._conversions, self._popularity.novelty_bits))

    def step(self, state: Exposures) -> Step:
        """What comes next for a person."""
        return Step(state, self._bounds, self._conversions, self._decided, self._behind_ms)

    def owe(self, step: Step, source: str, offset: int) -> None:
        """Keep the step's outcomes with the state until Kafka has them."""
        step.owe(source, offset, [encode(one.outcome) for one in step.joined])

    def outgoing(self, state: Exposures, wanted: Callable[[str, int], bool]) -> list[Outgoing]:
        """The outcomes kept with a state whose source and offset are wanted."""
        return [
            Outgoing(self._outcomes_topic, state.user_id.encode(), one.outcome)
            for one in state.owed
            if wanted(one.source, one.offset)
        ]

    def write(self, stored: bytes | None, state: Exposures) -> Write:
        """Replaces what is stored, without the outcomes that Kafka is known to have."""
        owed = tuple(
            one
            for one in state.owed[-MAX_OWED:]
            if one.source == TIMER or one.offset >= self._published_until.get(one.source, 0)
        )
        expected = MISSING if stored is None else stored[:VERSION_BYTES]
        after = msgspec.structs.replace(state, version=state.version + 1, owed=owed)
        is_blank = not (after.lists or after.waiting or after.recent_events or after.recent_lists or owed)
        value = None if is_blank else encode_exposures(after)
        return Write(exposures_key(state.user_id), expected, value, self._keep_s)

    def timer(self, before: Exposures, after: Exposures) -> list[TimerChange]:
        """The timer that a change of state sets or removes."""
        if after.needs_timer == before.needs_timer:
            return []
        if after.needs_timer:
            due_s = self._now().timestamp() + FIRST_LOOK_S
            return [TimerChange(timers_name(after.partition), after.user_id, due_s)]
        return [TimerChange(timers_name(before.partition), before.user_id, None)]

    def tallies(self, changes: Changes) -> Sequence[TallyIncrement]:
        """What is counted, as a change of the state."""
        return changes.counts.tallies(self._keep_counts_s)

    def distinct(self, changes: Changes) -> Sequence[DistinctAddition]:
        """The items shown, as a change of the state."""
        return changes.counts.distinct(self._keep_counts_s)

    def read_from(self, source: str, offset: int) -> None:
        """A record was read: whoever had the source before has published what is before the first."""
        self._published_until.setdefault(source, offset)

    def published(self, source: str, until: int) -> None:
        """Kafka has every outcome of the records before ``until``."""
        self._published_until[source] = max(self._published_until.get(source, 0), until)
