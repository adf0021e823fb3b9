"""Server-sent events to one browser, until it goes or is too slow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from workers.console.console import Console
from workers.console.hub import Subscription, TooManyStreamsError

SEND_TIMEOUT_S = 10.0


class EventStream(Response):
    """The events of some channels.

    Args:
        user_id: Whom the browser is greeted with.
    """

    def __init__(self, console: Console, channels: frozenset[str], user_id: str | None) -> None:
        super().__init__(media_type="text/event-stream")
        self._console = console
        self._channels = channels
        self._user_id = user_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        try:
            with self._console.hub.subscribed(self._channels) as subscription:
                if self._user_id:
                    self._console.hub.greet(subscription, "person", self._console.person(self._user_id))
                    held = self._console.lists.newest(self._user_id)
                    if held is not None:
                        self._console.hub.greet(subscription, "list", held)
                await _either(self._send(subscription, send), _gone(receive))
        except TooManyStreamsError as error:
            await JSONResponse({"error": str(error)}, 503)(scope, receive, send)

    async def _send(self, subscription: Subscription, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        # A browser that reads nothing fills the socket: then sending waits, and is given up.
        with_deadline = _with_deadline(send, SEND_TIMEOUT_S)
        await with_deadline(b"retry: 2000\n\n", True)
        async for message in subscription.messages():
            await with_deadline(message, True)
        await with_deadline(b"", False)


def _with_deadline(send: Send, timeout_s: float) -> Callable[[bytes, bool], Awaitable[None]]:
    async def send_body(body: bytes, more: bool) -> None:
        async with asyncio.timeout(timeout_s):
            await send({"type": "http.response.body", "body": body, "more_body": more})

    return send_body


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _either(*parts: Coroutine[Any, Any, None]) -> None:
    """Run until the first of these ends; the others are cancelled."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not isinstance(task.exception(), TimeoutError | OSError | None):
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
