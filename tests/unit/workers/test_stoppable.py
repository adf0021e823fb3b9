"""What has not begun yet ends at once when a worker is asked to stop."""

from __future__ import annotations

import asyncio

import pytest

from workers.stoppable import unless_stopped


async def test_the_result_and_the_error_of_work_that_ends_first() -> None:
    async def answer() -> int:
        return 42

    async def fail() -> int:
        raise LookupError("no")

    assert await unless_stopped(asyncio.Event(), answer()) == 42
    with pytest.raises(LookupError):
        await unless_stopped(asyncio.Event(), fail())


@pytest.mark.parametrize("by", ["stop", "cancellation"])
async def test_work_that_waits_for_ever_is_cancelled_and_cleans_up(by: str) -> None:
    stop, began, cleaned = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait_for_ever() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    running = asyncio.create_task(unless_stopped(stop, wait_for_ever()))
    await began.wait()
    if by == "stop":
        stop.set()
        assert await running is None
    else:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert cleaned.is_set()
