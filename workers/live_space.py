"""What makes lists and reads queries, replaceable while it works: one vector space at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from models.fusion import Fusion
from models.ranking import ListOrder
from workers.list_makers import ListMaker, MadeList
from workers.query_reader import Asked, ReadsQueries


class LiveLists:
    """Passes orders on to the maker of now. See `ListMaker`."""

    def __init__(self, maker: ListMaker) -> None:
        self._maker = maker

    def use(self, maker: ListMaker) -> None:
        """Have this one make lists from now on."""
        self._maker = maker

    @property
    def lists_at_once(self) -> int:
        """See `ListMaker.lists_at_once`."""
        return self._maker.lists_at_once

    @property
    def wants_shown(self) -> bool:
        """See `ListMaker.wants_shown`."""
        return self._maker.wants_shown

    def make(self, orders: Sequence[ListOrder]) -> list[MadeList]:
        """See `ListMaker.make`."""
        return self._maker.make(orders)


class LiveQueries:
    """Passes words on to the reader of now. See `ReadsQueries`.

    Args:
        reader: A reader into the space of a fusion.
        fusion: Of the space of now.
    """

    def __init__(self, reader: Callable[[Fusion], ReadsQueries], fusion: Fusion) -> None:
        self._make = reader
        self._reader = reader(fusion)

    def use(self, fusion: Fusion) -> None:
        """Read into the space of this fusion from now on."""
        self._reader = self._make(fusion)

    @property
    def space(self) -> str:
        """See `ReadsQueries.space`."""
        return self._reader.space

    def known(self, query: str) -> Asked | None:
        """See `ReadsQueries.known`."""
        return self._reader.known(query)

    async def read(self, query: str) -> Asked:
        """See `ReadsQueries.read`."""
        return await self._reader.read(query)
