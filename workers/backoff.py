"""Waiting out a dependency that is down."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from streams.errors import DependencyDownError

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0

_log = structlog.get_logger()
ResultT = TypeVar("ResultT")


async def while_down(step: str, operation: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Await ``operation()``, again and again while it raises `DependencyDownError`.

    Waits 0.1 s, doubling to 5 s, each with jitter. Ends only with a result, another error, or by
    cancellation: what waits here holds its messages un-acknowledged, so nothing is lost meanwhile.
    """
    wait_s = FIRST_WAIT_S
    while True:
        try:
            return await operation()
        except DependencyDownError as error:
            _log.warning("dependency down, trying again", step=step, wait_s=wait_s, error=str(error))
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
