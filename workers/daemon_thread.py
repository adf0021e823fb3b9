"""One thread that takes work in turn, and that nobody has to wait for at the end of the process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar, cast

Found = TypeVar("Found")


class DaemonThread:
    """Like an executor of one thread, which the interpreter would join at its end however long that takes.

    Args:
        name: What the thread is called.
    """

    def __init__(self, name: str) -> None:
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Callable[..., Found], *arguments: Any) -> asyncio.Future[Found]:
        """Do work on the thread, behind what waits already; what it returns or raises, on this event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Found] = loop.create_future()

        def settle(found: object, error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(cast(Found, found))
            else:
                future.set_exception(error)

        def do() -> None:
            found, error = None, None
            if not future.cancelled():
                try:
                    found = work(*arguments)
                except BaseException as raised:
                    error = raised
            try:
                loop.call_soon_threadsafe(settle, found, error)
            except RuntimeError:
                return  # The loop has ended meanwhile: nobody waits.

        self._waiting.put(do)
        return future

    def close(self) -> None:
        """Take no more; what waits already is done, and nobody waits for it."""
        self._waiting.put(None)

    async def end(self, within_s: float) -> None:
        """Take no more; wait for what it works on, so long at most."""
        self.close()
        await asyncio.to_thread(self._thread.join, within_s)

    def _work(self) -> None:
        while (do := self._waiting.get()) is not None:
            do()
