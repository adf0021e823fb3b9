"""Where the time of a replay goes; measuring itself is not counted.

Seconds are told by the clock and by the processor: where a machine is busy otherwise, the clock says little.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Spent(NamedTuple):
    """Seconds by the clock, and seconds of processor time of all threads."""

    clock_s: float = 0.0
    processor_s: float = 0.0

    @classmethod
    def now(cls) -> Spent:
        """To be subtracted from a later one."""
        return cls(time.perf_counter(), time.process_time())

    def plus(self, other: Spent) -> Spent:
        """Both together."""
        return Spent(self.clock_s + other.clock_s, self.processor_s + other.processor_s)

    def since(self, earlier: Spent) -> Spent:
        """What was spent between two moments."""
        return Spent(self.clock_s - earlier.clock_s, self.processor_s - earlier.processor_s)


_NOTHING = Spent()


@dataclass(slots=True)
class Timings:
    """What serving and learning took over the events that are evaluated.

    Attributes:
        rank: Ranking, for held-out events.
        learn: Profiles, learning, publishing and loading of weights, for every event.
        observe: Taking events in, for every event.
        held_out: All of this for held-out events.
        events: Evaluated events, positive or not.
        held_out_events: Those that were ranked.
        refits: Of each refit, those of the warm-up included; in a deployment they run beside the events.
    """

    rank: Spent = _NOTHING
    learn: Spent = _NOTHING
    observe: Spent = _NOTHING
    held_out: Spent = _NOTHING
    events: int = 0
    held_out_events: int = 0
    refits: list[Spent] = field(default_factory=list)

    def add(self, rank: Spent, learn: Spent, observe: Spent, *, is_held_out: bool) -> None:
        """Count one evaluated event."""
        self.events += 1
        self.rank = self.rank.plus(rank)
        self.learn = self.learn.plus(learn)
        self.observe = self.observe.plus(observe)
        if is_held_out:
            self.held_out_events += 1
            self.held_out = self.held_out.plus(rank).plus(learn).plus(observe)

    def values(self) -> dict[str, Any]:
        """Rates and mean times in one process; what refits took stands apart, as ``refresh_s``."""
        total = self.rank.plus(self.learn).plus(self.observe)
        return {
            "events_per_s": _ratio(self.events, total.clock_s),
            "events_per_processor_s": _ratio(self.events, total.processor_s),
            "held_out_per_s": _ratio(self.held_out_events, self.held_out.clock_s),
            "refresh_s": sum(one.clock_s for one in self.refits),
            "refresh_processor_s": sum(one.processor_s for one in self.refits),
            "refreshes": len(self.refits),
            "rank_ms": _ratio(1_000 * self.rank.clock_s, self.held_out_events),
            "learn_ms": _ratio(1_000 * self.learn.clock_s, self.events),
            "observe_ms": _ratio(1_000 * self.observe.clock_s, self.events),
        }


def _ratio(amount: float, by: float) -> float | None:
    return amount / by if by else None
