"""Reading Kafka in a task of its own, outside any group, for ever: Kafka away is waited out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

import structlog
from aiokafka.errors import KafkaError

from streams.consumer import Consumer
from streams.kafka_connection import aiokafka_arguments
from streams.settings import Settings
from workers.backoff import FIRST_WAIT_S, LONGEST_WAIT_S

_log = structlog.get_logger()


class ReadingTask:
    """Connects, and has ``read`` read; where that fails, connects and calls it again.

    Args:
        name: Of what is read, for the log.
        read: Given a consumer that is connected and has no partitions yet. It reads for ever, and goes on
            where it was when it is called again. It sets `ready` once the start is done.
        offset_reset: Where a partition is read from whose position Kafka holds no more.
        check_s: How often partitions are looked for that were added.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        read: Callable[[Consumer], Awaitable[None]],
        *,
        offset_reset: Literal["earliest", "latest"],
        check_s: float,
    ) -> None:
        self._settings = settings
        self._name = name
        self._read = read
        self._offset_reset = offset_reset
        self._check_s = check_s
        self._task: asyncio.Task[None] | None = None
        self.ready = asyncio.Event()

    async def start(self, timeout_s: float | None = None) -> None:
        """Begin; returns when it is ready, or after ``timeout_s``, and goes on in the background.

        Raises:
            ConfigurationError: The settings cannot work.
        """
        self._task = asyncio.create_task(self._run(), name=f"read {self._name}")
        ready = asyncio.create_task(self.ready.wait())
        try:
            await asyncio.wait([self._task, ready], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """Read no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            consumer = Consumer(
                **aiokafka_arguments(self._settings.kafka),
                enable_auto_commit=False,
                auto_offset_reset=self._offset_reset,
                metadata_max_age_ms=round(self._check_s * 1_000),
            )
            try:
                await consumer.start()
                wait_s = FIRST_WAIT_S
                await self._read(consumer)
            except (KafkaError, OSError) as error:
                _log.warning("cannot be read, trying again", what=self._name, error=str(error))
            except Exception:
                # What is held in memory would be older and older, and nobody would know.
                _log.exception("defect: cannot be read, trying again", what=self._name)
            finally:
                with suppress(KafkaError, OSError):
                    await consumer.stop()
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
