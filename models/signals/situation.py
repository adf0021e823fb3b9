"""What signals are computed from: a person's history by row, at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.cascade.person import Person
from models.interactions import History, InteractionMemory
from models.interactions.pair_channels import PAGE_S

# Entries of a history that signals look at.
RECENT_ENTRIES = 50
_SESSION_GAP_S = 3_600.0
Weights = NDArray[np.float32]


@dataclass(frozen=True)
class Situation:
    """A person and a moment. Ranks r count from 0, the newest entry; ages a are in seconds."""

    memory: InteractionMemory
    person: Person
    history: History

    @classmethod
    def of(cls, memory: InteractionMemory, person: Person) -> Situation:
        """The situation of a person."""
        return cls(memory, person, memory.history(person))

    @cached_property
    def columns(self) -> int:
        """One for each item by row, and a last one for items that nobody has used."""
        return len(self.memory) + 1

    @cached_property
    def now_s(self) -> float:
        """The moment, not before the newest event."""
        newest = float(self.history.times_s[0]) if len(self.history) else 0.0
        return max(self.person.now_ms / 1_000.0, newest)

    @cached_property
    def recent(self) -> History:
        """The newest entries."""
        return self.history.newest(RECENT_ENTRIES)

    @cached_property
    def ages_s(self) -> NDArray[np.float64]:
        """Of the recent entries."""
        return self.now_s - self.recent.times_s

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """Of the recent entries: 0, 1, 2 …"""
        return np.arange(len(self.recent))

    @cached_property
    def last_page(self) -> NDArray[np.bool_]:
        """Which recent entries were made at once with the newest."""
        if not len(self.recent):
            return np.zeros(0, np.bool_)
        return np.asarray(self.recent.times_s[0] - self.recent.times_s <= PAGE_S)

    @cached_property
    def page_before(self) -> NDArray[np.bool_]:
        """Which recent entries were made at once, just before the last page."""
        earlier = np.flatnonzero(~self.last_page)
        if not len(earlier):
            return np.zeros(len(self.recent), np.bool_)
        newest = self.recent.times_s[earlier[0]]
        return np.asarray(~self.last_page & (newest - self.recent.times_s <= PAGE_S))

    @cached_property
    def session_entries(self) -> int:
        """Entries since the last gap of an hour."""
        if not len(self.history):
            return 0
        times_s = np.concatenate([[self.now_s], self.history.times_s])
        gaps = np.flatnonzero(times_s[:-1] - times_s[1:] > _SESSION_GAP_S)
        return int(gaps[0]) if len(gaps) else len(self.history)

    @cached_property
    def gap_s(self) -> float | None:
        """Since the newest entry; None for a stranger."""
        return float(self.ages_s[0]) if len(self.recent) else None
