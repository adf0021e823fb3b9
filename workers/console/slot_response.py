"""A response that holds a slot until its body has gone out: what waits for slow readers is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

SEND_TIMEOUT_S = 60.0
PART_BYTES = 64 << 10

_log = structlog.get_logger()


class SlotResponse(Response):
    """Sends another response in parts; whoever has not read it in time is cut off.

    Args:
        release: Gives the slot back; called once, when the body is sent, cut off or not wanted any more.
    """

    def __init__(self, response: Response, release: Callable[[], None]) -> None:
        super().__init__(response.body, response.status_code)
        self.raw_headers = response.raw_headers
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await send(
                    {
                        "type": "http.response.start",
                        "status": self.status_code,
                        "headers": self.raw_headers,
                    }
                )
                body = memoryview(self.body)
                # The server waits for the reader at the next part: a whole body would count as sent at once.
                for start in range(0, len(body), PART_BYTES):
                    part = bytes(body[start : start + PART_BYTES])
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            _log.info("a reader of a medium is too slow: cut off", path=scope.get("path"))
        finally:
            self._release()
