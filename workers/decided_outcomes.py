"""Which events were joined before, as published outcomes tell: for a join whose state was lost or set back.

It reads lists and events again then, at other speeds than at first, and might join an event that names no
list with another one than at first. What was published stays: such an event counts as what it was.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC

import numpy as np
from numpy.typing import NDArray

from models.profile.hashing import HASH_BYTES, hash64
from workers.outcome_logs import LoggedOutcome
from workers.state.exposures import CountedOutcome, Decided

# The newest are known, 20 bytes each.
MAX_OUTCOMES = 2_000_000
# An outcome is published after its event; the clocks of those who say when may differ, and may jump.
SLACK_MS = 2 * 3_600_000

# Since a time in ms: outcomes as Kafka has them, in the order of each person.
Published = Callable[[int], Iterable[LoggedOutcome]]


class DecidedOutcomes:
    """The outcomes of all people since some time: `Decisions` of a join.

    Args:
        published: Reads them; may block.
        conversions: The actions that are conversions.
        max_outcomes: Of these, the newest are known.
    """

    def __init__(
        self, published: Published, conversions: frozenset[str], max_outcomes: int = MAX_OUTCOMES
    ) -> None:
        self._published = published
        self._conversions = conversions
        self._max_outcomes = max_outcomes
        self._since_ms: int | None = None
        self.is_reading = False
        nothing = np.empty(0, np.uint64)
        self._table = _Table.of([], nothing, nothing, np.empty(0, np.int32), conversions)

    async def cover(self, time_ms: int) -> None:
        """Know the outcomes of events of this time and later, as far as they are published by now.

        Cheap where events of that time were asked for before.

        Raises:
            ConfigurationError, DependencyDownError: Kafka refuses, or does not answer.
        """
        if self._since_ms is None or time_ms < self._since_ms:
            self.is_reading = True
            try:
                await asyncio.to_thread(self._read, time_ms - SLACK_MS)
            finally:
                self.is_reading = False
            self._since_ms = time_ms - SLACK_MS

    def find(self, event_id: str) -> Decided | None:
        """What an event was joined with; None where nothing is known of that."""
        return self._table.find(event_id)

    def marks(self, recommendation_id: str) -> tuple[bool, bool]:
        """Whether a list has positive outcomes, and conversions, among those known."""
        wanted = _number(recommendation_id)
        return wanted in self._table.positive, wanted in self._table.converted

    def _read(self, since_ms: int) -> None:
        events, lists, kinds = array("Q"), array("Q"), array("i")
        numbers: dict[CountedOutcome, int] = {}
        for one in self._published(since_ms):
            events.append(_number(one.event_id))
            lists.append(_number(one.recommendation_id))
            kinds.append(numbers.setdefault(_kind(one), len(numbers)))
            if len(events) >= 2 * self._max_outcomes:
                for part in (events, lists, kinds):
                    del part[: -self._max_outcomes]
        newest = slice(-self._max_outcomes, None)
        self._table = _Table.of(
            list(numbers),
            np.array(events, np.uint64)[newest],
            np.array(lists, np.uint64)[newest],
            np.array(kinds, np.int32)[newest],
            self._conversions,
        )


@dataclass(frozen=True, slots=True)
class _Table:
    """Outcomes in the order of ``events``, hashes of their ids, uint64 [n].

    ``lists`` are the hashes of their lists' ids, uint64 [n]; ``of_kind`` says which of ``kinds`` each is,
    int32 [n], and two bool [n] whether it is the first such of its list; ``positive`` and ``converted``:
    lists with one.
    """

    kinds: Sequence[CountedOutcome]
    events: NDArray[np.uint64]
    lists: NDArray[np.uint64]
    of_kind: NDArray[np.int32]
    is_first_positive: NDArray[np.bool_]
    is_first_conversion: NDArray[np.bool_]
    positive: frozenset[int]
    converted: frozenset[int]

    @classmethod
    def of(
        cls,
        kinds: Sequence[CountedOutcome],
        events: NDArray[np.uint64],
        lists: NDArray[np.uint64],
        of_kind: NDArray[np.int32],
        conversions: Collection[str],
    ) -> _Table:
        """Of outcomes as they were published, repeats included: of an event the first counts."""
        events, first = np.unique(events, return_index=True)
        lists, of_kind = lists[first], of_kind[first]
        is_positive = np.array([kind.is_positive for kind in kinds], np.bool_)[of_kind]
        is_conversion = np.array([kind.action in conversions for kind in kinds], np.bool_)[of_kind]
        published = np.argsort(first)
        return cls(
            kinds,
            events,
            lists,
            of_kind,
            _first_of_lists(lists, is_positive, published),
            _first_of_lists(lists, is_conversion, published),
            frozenset(lists[is_positive].tolist()),
            frozenset(lists[is_conversion].tolist()),
        )

    def find(self, event_id: str) -> Decided | None:
        wanted = np.uint64(_number(event_id))
        at = int(np.searchsorted(self.events, wanted))
        if at == len(self.events) or self.events[at] != wanted:
            return None
        counted = self.kinds[self.of_kind[at]]._replace(
            is_first_positive=bool(self.is_first_positive[at]),
            is_first_conversion=bool(self.is_first_conversion[at]),
        )
        return Decided(int(self.lists[at]).to_bytes(HASH_BYTES, "little"), counted)


def _first_of_lists(
    lists: NDArray[np.uint64], is_one: NDArray[np.bool_], published: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which outcomes are the first one of their list, in the order in which they were published, bool [n]."""
    wanted = published[is_one[published]]
    _, first = np.unique(lists[wanted], return_index=True)
    found = np.zeros(len(lists), np.bool_)
    found[wanted[first]] = True
    return found


def _number(identity: str) -> int:
    return int.from_bytes(hash64(identity), "little")


def _kind(outcome: LoggedOutcome) -> CountedOutcome:
    return CountedOutcome(
        outcome.shown_at.astimezone(UTC).date(),
        outcome.model,
        outcome.experiment or "",
        outcome.arm or "",
        outcome.action,
        outcome.weight > 0,
        False,
        False,
    )
