"""Where the time of a replay goes; measuring itself is not counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Timings:
    """Seconds of serving and learning over the events that are evaluated.

    Attributes:
        rank_s: Ranking, for held-out events.
        learn_s: Profiles, learning, publishing and loading of weights, for every event.
        observe_s: Taking events in, for every event.
        held_out_s: All of this for held-out events.
        events: Evaluated events, positive or not.
        held_out: Those that were ranked.
        refit_s: Of each refit, those of the warm-up included; in a deployment they run beside the events.
    """

    rank_s: float = 0.0
    learn_s: float = 0.0
    observe_s: float = 0.0
    held_out_s: float = 0.0
    events: int = 0
    held_out: int = 0
    refit_s: list[float] = field(default_factory=list)

    def add(self, rank_s: float, learn_s: float, observe_s: float, *, is_held_out: bool) -> None:
        """Count one evaluated event."""
        self.events += 1
        self.rank_s += rank_s
        self.learn_s += learn_s
        self.observe_s += observe_s
        if is_held_out:
            self.held_out += 1
            self.held_out_s += rank_s + learn_s + observe_s

    def values(self) -> dict[str, Any]:
        """Rates and mean times in one process; what refits took stands apart, as ``refresh_s``."""
        total_s = self.rank_s + self.learn_s + self.observe_s
        return {
            "events_per_s": _ratio(self.events, total_s),
            "held_out_per_s": _ratio(self.held_out, self.held_out_s),
            "refresh_s": sum(self.refit_s),
            "refreshes": len(self.refit_s),
            "rank_ms": _ratio(1_000 * self.rank_s, self.held_out),
            "learn_ms": _ratio(1_000 * self.learn_s, self.events),
            "observe_ms": _ratio(1_000 * self.observe_s, self.events),
        }


def _ratio(amount: float, by: float) -> float | None:
    return amount / by if by else None
