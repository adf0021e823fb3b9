"""A person at one moment, and one event as it counts: what the cascade is asked with, and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.profile.state import Profile


@dataclass(frozen=True, slots=True)
class Person:
    """A person at the moment of a list, or just before an event.

    Attributes:
        user_id: Who.
        item_ids: The n last items of the history, oldest first; one may repeat.
        weights: What was done with each says so much of their taste, float32 [n]; above 0 for it.
        times_ms: When, int64 [n], milliseconds since the epoch, ascending.
        events: Effects applied so far, those beyond the history included.
        positives: Those of them whose weight was above 0.
        now_ms: The moment, milliseconds since the epoch.
        context: What the request or event says of the situation.
        asked: Vector of what they ask for in words, float32 [D] of unit length; None where nothing is.
    """

    user_id: str
    item_ids: tuple[str, ...]
    weights: NDArray[np.float32]
    times_ms: NDArray[np.int64]
    events: int
    positives: int
    now_ms: int
    context: Mapping[str, Any] = field(default_factory=dict)
    asked: NDArray[np.float32] | None = field(default=None, compare=False)

    @classmethod
    def of(
        cls,
        profile: Profile,
        now_ms: int,
        context: Mapping[str, Any] | None = None,
        asked: NDArray[np.float32] | None = None,
    ) -> Person:
        """The person behind a profile."""
        return cls(
            profile.user_id,
            profile.item_ids,
            profile.weights_array(),
            profile.times_array(),
            profile.version,
            profile.positives,
            now_ms,
            context or {},
            asked,
        )


@dataclass(frozen=True, slots=True)
class Interaction:
    """One event as it counts: its time is clamped, its weight follows the action's rule."""

    user_id: str
    item_id: str
    action: str
    weight: float
    occurred_at_ms: int
    context: Mapping[str, Any] = field(default_factory=dict)
