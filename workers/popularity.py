"""How popular items are, from the counters in the state store into a recommend worker's index."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

import structlog

from models.retrieval import ItemIndex
from streams.errors import DependencyDownError
from streams.settings import RecommendSettings
from workers.state.store import MAX_COUNTERS, Counter, StateStore

# Counters that nobody adds to still decay, and items come whose counters were there before them.
FULL_REFRESH_S = 60.0
_SET_AT_ONCE = 1_000

_log = structlog.get_logger()


class PopularityFollower:
    """Keeps the index's popularity current; a Redis that is away leaves it as it was.

    Another index may be followed besides, to take the first one's place.
    """

    def __init__(
        self,
        store: StateStore,
        index: ItemIndex,
        settings: RecommendSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._indexes = [index]
        self._refresh_s = settings.popularity_refresh_s
        self._half_life_s = settings.popularity_half_life_days * 86_400.0
        self._clock = clock
        self._counters: dict[str, Counter] = {}
        self._cursor = 0.0
        self._next_full = 0.0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._follow(), name="popularity")

    async def stop(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def refresh(self) -> None:
        """Take over what changed since the last time.

        Raises:
            DependencyDownError: The store does not answer.
        """
        if len(self._counters) > MAX_COUNTERS:
            # The store has forgotten some of these by now.
            self._counters, self._cursor = {}, 0.0
        changes = await self._store.counters_since(self._cursor)
        self._cursor = changes.cursor
        self._counters.update(changes.counters)
        now_s = self._clock()
        if now_s >= self._next_full:
            self._next_full = now_s + FULL_REFRESH_S
            changed = self._counters
        else:
            changed = changes.counters
        popularity = {item: self._value(counter, now_s) for item, counter in changed.items()}
        for index in self._indexes:
            index.set_popularity(popularity)

    async def add(self, index: ItemIndex) -> None:
        """Follow another index as well; returns once it has what is known, set a few items at a time."""
        self._indexes.append(index)
        items = list(self._counters)
        for begin in range(0, len(items), _SET_AT_ONCE):
            now_s = self._clock()
            part = {item: self._counters.get(item) for item in items[begin : begin + _SET_AT_ONCE]}
            index.set_popularity(
                {item: self._value(held, now_s) for item, held in part.items() if held is not None}
            )
            await asyncio.sleep(0)

    def keep_only(self, index: ItemIndex) -> None:
        """Follow this index alone, from now on."""
        self._indexes = [index]

    def _value(self, counter: Counter, now_s: float) -> float:
        age_s = max(0.0, now_s - counter.at_s)
        return max(0.0, counter.value * math.exp2(-age_s / self._half_life_s))

    async def _follow(self) -> None:
        while True:
            try:
                await self.refresh()
            except DependencyDownError as error:
                _log.warning("popularity is not refreshed", error=str(error))
            await asyncio.sleep(self._refresh_s)
