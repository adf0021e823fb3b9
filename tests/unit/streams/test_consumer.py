"""How a consumer ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from streams.consumer import Consumer


class Client:
    def __init__(self) -> None:
        self.is_closed = False

    async def close(self) -> None:
        self.is_closed = True


class Fetcher:
    """As aiokafka's, while a fetch waits after a failure: it ends by awaiting what it has cancelled."""

    async def close(self) -> None:
        waiting = asyncio.create_task(asyncio.sleep(60.0))
        await asyncio.sleep(0)
        waiting.cancel()
        await waiting


@pytest.fixture
def consumer() -> Consumer:
    made: Any = object.__new__(Consumer)
    made._closed, made._coordinator, made._fetcher, made._client = False, None, Fetcher(), Client()
    return made  # type: ignore[no-any-return]


async def test_who_stops_a_consumer_goes_on_and_its_connections_are_closed(consumer: Consumer) -> None:
    async def stops() -> str:
        await consumer.stop()
        return "goes on"

    assert await asyncio.create_task(stops()) == "goes on"
    assert consumer._client.is_closed


async def test_who_is_cancelled_meanwhile_is_cancelled(consumer: Consumer) -> None:
    async def never() -> None:
        await asyncio.sleep(60.0)

    consumer._fetcher.close = never
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
