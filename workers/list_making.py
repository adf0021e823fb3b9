"""Lists that are wanted, made: with what was shown before, and in the vector space that serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from workers.erased_people import ErasedPeople
from workers.list_makers import ListMaker, MadeList
from workers.query_reader import ReadsQueries
from workers.role_metrics import RecommendMetrics
from workers.state.exposures import decode_exposures, exposures_key, shown_ms
from workers.state.store import StateStore
from workers.wanted_lists import WantedList


class ListMaking:
    """Makes lists.

    Args:
        lists: Makes them, by what is kept current on the same event loop.
        queries: Reads what requests ask for in words.
        erased: Who was forgotten: what they were shown counts no more.
    """

    def __init__(
        self,
        lists: ListMaker,
        queries: ReadsQueries,
        store: StateStore,
        erased: ErasedPeople,
        metrics: RecommendMetrics,
    ) -> None:
        self._lists = lists
        self._queries = queries
        self._store = store
        self._erased = erased
        self._metrics = metrics

    async def make(self, wanted: Sequence[WantedList]) -> list[MadeList]:
        """A list for each; what else runs on the event loop gets its turn in between."""
        return [one async for part in self.parts(wanted) for one in part]

    async def parts(self, wanted: Sequence[WantedList]) -> AsyncIterator[list[MadeList]]:
        """A list for each, in order, a few at a time: what is made can go out before the rest is."""
        shown = await self._shown(wanted)
        at_once = self._lists.lists_at_once
        for begin in range(0, len(wanted), at_once):
            part = await self._current(wanted[begin : begin + at_once])
            # From here to the finished lists nothing else runs: no list is made of two vector spaces.
            orders = [one.order(shown.get(one.profile.user_id, {})) for one in part]
            with self._metrics.time_lists(len(part)):
                made = self._lists.make(orders)
            yield made
            await asyncio.sleep(0)

    async def _current(self, part: Sequence[WantedList]) -> Sequence[WantedList]:
        """What is wanted, as of the vector space that serves now."""
        while True:
            space = self._queries.space
            if all(one.asked is None or one.asked.space == space for one in part):
                return part
            part = [
                one
                if one.asked is None or one.asked.space == space
                else one.with_asked(await self._queries.read(one.asked.words))
                for one in part
            ]

    async def _shown(self, wanted: Sequence[WantedList]) -> dict[str, Mapping[str, int]]:
        """User → item → when it was last shown, by the exposure log, where lists heed it."""
        if not wanted or not self._lists.wants_shown:
            return {}
        user_ids = list(dict.fromkeys(one.profile.user_id for one in wanted))
        stored = await self._store.load([exposures_key(user_id) for user_id in user_ids])
        return {
            state.user_id: shown_ms(state)
            for state in map(decode_exposures, user_ids, stored)
            if not self._erased.is_void(state.user_id, state.since_ms)
        }
