"""The way of an item that was published from the page."""

from __future__ import annotations

import asyncio

import msgspec

from streams.internal_messages import ItemDeclared, ItemVersion
from tests.unit.console.parts import record
from workers.console.catalogue import ConsoleCatalogue
from workers.console.hub import Hub
from workers.console.journeys import JOURNEYS, Journeys
from workers.console.live_lists import LiveLists


async def test_what_is_read_of_an_item_before_kafka_has_said_that_it_has_it_was_published() -> None:
    hub = Hub(4, 16)
    journeys = Journeys(hub, LiveLists(hub, ConsoleCatalogue(10, 1_000), lambda: 0.0), ask=_never)
    declared = ItemDeclared(item_id="lamp", version=ItemVersion(1, 0, 0, 0))
    with hub.subscribed([JOURNEYS]) as page:
        journeys.begin("lamp")
        journeys.take_features([record('["lamp"]', declared), record('["boots"]', declared)])
        journeys.published("lamp")
        messages = page.messages()
        async with asyncio.timeout(60):
            told = [msgspec.json.decode((await anext(messages)).partition(b"data: ")[2]) for _ in range(2)]
    assert [one["step"] for one in told] == ["published", "declared"]
    assert [one["ms"] for one in told] == sorted(one["ms"] for one in told)


async def _never(_: object) -> None:
    raise AssertionError
