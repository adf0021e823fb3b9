"""Batches across messages: what waits while a batch runs goes into the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.errors import BatchError
from streams.errors import ModelFailedError

InputT = TypeVar("InputT")
Vectors = NDArray[np.float32]


class MicroBatcher(Generic[InputT]):
    """Encodes single inputs in batches, on one thread of its own, never on the event loop.

    Args:
        encode: A batch of inputs to float32 [n, dimension].
        max_batch: Inputs a call.
        max_wait_s: How long a batch that is not full waits for more.
        max_queued: Inputs that may wait; then `encode` itself waits, which is the back-pressure.
    """

    def __init__(
        self,
        encode: Callable[[Sequence[InputT]], Vectors],
        *,
        max_batch: int,
        max_wait_s: float,
        max_queued: int = 1_024,
        on_batch: Callable[[int, float], None] = lambda size, seconds: None,
    ) -> None:
        self._encode = encode
        self._max_batch = max_batch
        self._max_wait_s = max_wait_s
        self._on_batch = on_batch
        self._queue: asyncio.Queue[tuple[InputT, asyncio.Future[Vectors]]] = asyncio.Queue(max_queued)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encode")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start taking batches."""
        self._task = asyncio.create_task(self._run(), name="micro-batcher")

    async def stop(self) -> None:
        """Stop; inputs that still wait are cancelled."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while not self._queue.empty():
            self._queue.get_nowait()[1].cancel()
        self._thread.shutdown(wait=False)

    async def encode(self, value: InputT) -> Vectors:
        """The vector of one input, float32 [dimension].

        Raises:
            ModelFailedError: The network fails on this very input.
        """
        future: asyncio.Future[Vectors] = asyncio.get_running_loop().create_future()
        await self._queue.put((value, future))
        return await future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._queue.get()]
            deadline = loop.time() + self._max_wait_s
            while len(batch) < self._max_batch:
                if self._queue.empty() and loop.time() >= deadline:
                    break
                try:
                    async with asyncio.timeout_at(max(deadline, loop.time())):
                        batch.append(await self._queue.get())
                except TimeoutError:
                    break
            started = loop.time()
            results = await loop.run_in_executor(
                self._thread, self._encode_each, [value for value, _ in batch]
            )
            self._on_batch(len(batch), loop.time() - started)
            for (_, future), result in zip(batch, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    def _encode_each(self, values: list[InputT]) -> list[Vectors | Exception]:
        """One result an input: a batch that fails is split, so that only what is bad fails."""
        try:
            return list(self._encode(values))
        except Exception as error:
            if len(values) == 1:
                detail = error.detail if isinstance(error, BatchError) else f"{type(error).__name__}: {error}"
                return [ModelFailedError(detail)]
            half = len(values) // 2
            return self._encode_each(values[:half]) + self._encode_each(values[half:])
