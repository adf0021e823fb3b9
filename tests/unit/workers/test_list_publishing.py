"""What is sent while more is made."""

from __future__ import annotations

import asyncio

import pytest

from streams.errors import DependencyDownError
from workers.list_publishing import Sending


async def test_what_was_made_first_is_on_its_way_before_the_next_is_made() -> None:
    began: list[int] = []
    may_arrive = asyncio.Event()
    arrived: list[int] = []

    async def send(number: int) -> None:
        began.append(number)
        await may_arrive.wait()
        arrived.append(number)

    async with Sending() as sending:
        await sending.send(send(1))
        assert began == [1]
        await sending.send(send(2))
        assert began == [1, 2]
        assert not arrived
        may_arrive.set()
    assert arrived == [1, 2]


async def test_what_does_not_arrive_is_told_at_the_end_and_stops_no_other() -> None:
    arrived: list[str] = []

    async def fail() -> None:
        raise DependencyDownError("Kafka does not answer")

    async def send() -> None:
        await asyncio.sleep(0.01)
        arrived.append("later")

    async def work() -> None:
        async with Sending() as sending:
            await sending.send(fail())
            await sending.send(send())

    with pytest.raises(DependencyDownError, match="does not answer"):
        await work()
    assert arrived == ["later"]


async def test_an_error_of_what_makes_lists_is_not_hidden_by_one_of_sending() -> None:
    async def fail() -> None:
        raise DependencyDownError("Kafka does not answer")

    async def work() -> None:
        async with Sending() as sending:
            await sending.send(fail())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work()


async def test_who_is_cancelled_gives_up_what_is_on_its_way() -> None:
    cancelled: list[bool] = []

    async def send() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def work() -> None:
        async with Sending() as sending:
            await sending.send(send())
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled == [True]
