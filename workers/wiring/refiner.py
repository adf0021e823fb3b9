"""What refines lists, wired: a language model, and titles that are read from the space in use."""

from __future__ import annotations

import asyncio

from models.fusion import Fusion
from workers.language_model.list_order import OrderReader
from workers.list_refiner import ListRefiner
from workers.topic_follower import BESIDE_LISTS, UNPACED, Pace
from workers.vectors_follower import VectorsFollower
from workers.vectors_to_titles import ItemTitles
from workers.wiring.around import Around
from workers.wiring.language_model import WorkersLanguageModel


class FollowedTitles:
    """Titles, current with the vectors of the space in use. They are the same in each."""

    def __init__(self, around: Around, titles: ItemTitles) -> None:
        self._around = around
        self._titles = titles
        self._follower: VectorsFollower | None = None
        self._moving: asyncio.Task[None] | None = None

    async def follow(self, space: str, pace: Pace = UNPACED) -> None:
        """Read a space from its start, in place of the one before; waits until titles are current."""
        await self._end()
        topic = self._around.topics.item_vectors(space)
        self._follower = VectorsFollower(self._around.settings, topic, self._titles, pace=pace)
        await self._follower.start()

    def move(self, fusion: Fusion) -> None:
        """Read another space from now on, beside the lists that are made; does not wait."""
        before = self._moving

        async def in_turn() -> None:
            if before is not None:
                await asyncio.gather(before, return_exceptions=True)
            await self.follow(fusion.space, BESIDE_LISTS)

        self._moving = asyncio.create_task(in_turn(), name="titles of another space")

    async def stop(self) -> None:
        """Read no more."""
        if self._moving is not None:
            self._moving.cancel()
            await asyncio.gather(self._moving, return_exceptions=True)
        await self._end()

    async def _end(self) -> None:
        follower, self._follower = self._follower, None
        if follower is not None:
            await follower.stop()


async def wire_refiner(
    around: Around, space: str, language_model: WorkersLanguageModel
) -> tuple[ListRefiner, FollowedTitles] | None:
    """What refines lists, with titles of its own; None where that is off."""
    refine, model = around.settings.refine, around.settings.language_model
    if not refine.enabled:
        return None
    opened = await language_model.open("refine")
    titles = ItemTitles(refine.catalogue_items, refine.attributes)
    followed = FollowedTitles(around, titles)
    around.resources.push_async_callback(followed.stop)
    await followed.follow(space)
    tells_past_items = "past_items" in model.personal_fields
    return ListRefiner(OrderReader(opened), titles.find, refine, tells_past_items=tells_past_items), followed
