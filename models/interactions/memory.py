"""All that is remembered across people and items, taken in one event at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.cascade.person import Interaction, Person
from models.errors import SettingError
from models.interactions.contexts import ContextCounts
from models.interactions.histories import Histories
from models.interactions.log import EventLog
from models.interactions.pairs import PairStatistics
from models.interactions.popularity import Popularity
from models.interactions.rows import ItemRows
from models.interactions.segments import SegmentPopularity

# A history holds 200; one read back from the profile after an event has one entry less before it.
HISTORY_ENTRIES = 199
# Of histories taken in at once: some 100 MB while they are.
PAIRS_AT_ONCE = 500_000


@dataclass(frozen=True, slots=True)
class InteractionSettings:
    """How much is remembered.

    Attributes:
        max_items: Beyond, the items used longest ago are forgotten.
        neighbours: Kept for each item, where not all pairs fit into memory.
        memory_bytes: For pairs.
        recent_entries: Of a history, those that pair with a new event.
        log_events: Newest events of all people.
        item_events: Of these, those kept by item.
        segment_by: Entry of the context whose value is a person's segment; empty: there are no segments.
        segments: Kept, those used last.
    """

    max_items: int = 200_000
    neighbours: int = 128
    memory_bytes: int = 256 << 20
    recent_entries: int = HISTORY_ENTRIES
    log_events: int = 100_000
    item_events: int = 100
    segment_by: str = ""
    segments: int = 64

    def __post_init__(self) -> None:
        numbers = (self.max_items, self.neighbours, self.recent_entries, self.log_events, self.item_events)
        if min(*numbers, self.segments) < 1:
            raise SettingError("what is remembered of interactions must be at least 1 of each")


@dataclass(frozen=True, slots=True)
class History:
    """A person's newest events by row, newest first; items that are not remembered are left out.

    Attributes:
        rows: int64 [n].
        weights: float32 [n].
        times_s: float64 [n].
    """

    rows: NDArray[np.int64]
    weights: NDArray[np.float32]
    times_s: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    def newest(self, count: int) -> History:
        """The newest entries."""
        return History(self.rows[:count], self.weights[:count], self.times_s[:count])


class InteractionMemory:
    """Rows, pairs, popularity, situations and the log of events together."""

    def __init__(self, settings: InteractionSettings) -> None:
        self._settings = settings
        self.items = ItemRows(settings.max_items)
        # With the row that stays empty, see `observe`.
        rows = settings.max_items + 1
        self.pairs = PairStatistics(settings.memory_bytes, settings.neighbours, rows)
        self.popularity = Popularity()
        self.contexts = ContextCounts()
        self.segments = SegmentPopularity(settings.segment_by, settings.segments)
        self.log = EventLog(settings.log_events, settings.item_events)

    def __len__(self) -> int:
        """Items."""
        return len(self.items)

    def history(self, person: Person) -> History:
        """What a person did last, by row."""
        item_ids = person.item_ids[-HISTORY_ENTRIES:]
        rows = self.items.rows_of(item_ids)[::-1]
        known = rows >= 0
        weights = person.weights[-HISTORY_ENTRIES:][::-1][known]
        times_s = person.times_ms[-HISTORY_ENTRIES:][::-1][known] / 1_000.0
        return History(rows[known], weights, times_s)

    def observe(self, person: Person, interaction: Interaction) -> int:
        """Take in an event of a person, as they were before it.

        Returns:
            The row of the item.
        """
        row, reused = self.items.use(interaction.item_id)
        # One row stays empty: it stands for items that nobody has used.
        rows = len(self.items) + 1
        for part in (self.pairs, self.popularity, self.contexts, self.segments, self.log):
            part.grow(rows)
            if reused:
                part.clear(row)
        time_s = interaction.occurred_at_ms / 1_000.0
        history = self.history(person)
        gap_s = None
        if len(history):
            gap_s = max(0.0, time_s - float(history.times_s[0]))
            self._pair(row, history.newest(self._settings.recent_entries), time_s)
        self.popularity.add(row, interaction.weight, time_s, person.events, gap_s)
        self.contexts.add(row, time_s, interaction.context)
        self.segments.add(row, time_s, interaction.context)
        self.log.append(interaction.user_id, row, interaction.weight, time_s)
        return row

    def observe_histories(self, people: Sequence[Person]) -> None:
        """Take in all events of these histories at once, in the order of their times.

        As `observe` of each, but without what a history does not tell: the context of an event. An item
        that had to make room counts from when it came back, if it did.
        """
        people = [person for person in people if person.item_ids]
        if not people:
            return
        histories = Histories.of(people)
        parts = (self.pairs, self.popularity, self.contexts, self.segments, self.log)
        new = len({item_id for item_id in histories.item_ids if self.items.get(item_id) is None})
        for part in parts:
            part.grow(min(len(self.items) + new, self._settings.max_items) + 1)
        rows = np.full(len(histories.item_ids), -1, np.int64)
        order = histories.by_time()
        for at in order.tolist():
            row, reused = self.items.use(histories.item_ids[at])
            if reused:
                rows[rows == row] = -1
                for part in parts:
                    part.clear(row)
            rows[at] = row
            user_id = histories.user_ids[histories.people[at]]
            self.log.append(user_id, row, float(histories.weights[at]), float(histories.times_s[at]))
        known = order[rows[order] >= 0]
        times_s = histories.times_s[known]
        self.popularity.add_many(
            rows[known], histories.weights[known], times_s, histories.before[known], histories.gaps_s()[known]
        )
        self.contexts.add_many(rows[known], times_s)
        reach = min(self._settings.recent_entries, HISTORY_ENTRIES)
        for later, earlier in histories.pairs(rows, reach, PAIRS_AT_ONCE):
            at_s = histories.times_s[later]
            gaps_s = np.maximum(at_s - histories.times_s[earlier], 0.0)
            self.pairs.add_many(rows[later], rows[earlier], gaps_s, at_s)

    def forget(self, user_id: str) -> int:
        """Take back what a person's events added, as far as the log holds them, and forget them there.

        Pairs and popularity are taken back event by event, in the order in which they were added. An event
        that says nothing of taste is not taken for a partner: of most such events none was made.

        Returns:
            How many events.
        """
        slots = self.log.slots_of(user_id)
        rows = self.log.items(slots)
        times_s, weights = self.log.times_s(slots), self.log.weights(slots)
        for at, (row, time_s) in enumerate(zip(rows.tolist(), times_s.tolist(), strict=True)):
            if row < 0:
                continue  # the item was forgotten, and all counts of it
            earlier = np.flatnonzero((rows[:at] >= 0) & (weights[:at] != 0))
            newest = earlier[np.argsort(-times_s[earlier], kind="stable")][:HISTORY_ENTRIES]
            history = History(rows[newest], weights[newest], times_s[newest])
            gap_s = None
            if len(history):
                gap_s = max(0.0, time_s - float(history.times_s[0]))
                partners = history.newest(self._settings.recent_entries)
                self.pairs.remove(row, *_partners(row, partners, time_s), time_s)
            self.popularity.remove(row, float(weights[at]), time_s, at, gap_s)
            self.contexts.remove(row, time_s)
        self.log.forget(user_id)
        return len(slots)

    def _pair(self, row: int, history: History, time_s: float) -> None:
        self.pairs.add(row, *_partners(row, history, time_s), time_s)


def _partners(row: int, history: History, time_s: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Other items of a history, each as of its newest event, and how long before: int64 and float64 [n]."""
    _, first = np.unique(history.rows, return_index=True)
    first = np.sort(first)
    first = first[history.rows[first] != row]
    return history.rows[first], np.maximum(time_s - history.times_s[first], 0.0)
