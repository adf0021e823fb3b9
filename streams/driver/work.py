"""Hands records to the processor, and decides what a failure means."""

from __future__ import annotations

import asyncio
import contextlib
import random
from asyncio import sleep
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

import structlog

from streams.driver.delivery import Delivery, Finish, PoisonHandler, Processor
from streams.driver.in_flight import InFlight
from streams.errors import ConfigurationError, DependencyDownError

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
# A password that Redis or Kafka takes no more, say: it says nothing of the records that meet it.
_NOT_THE_RECORDS = (DependencyDownError, ConfigurationError)

log = structlog.get_logger(__name__)


class WorkLoop:
    """One `Processor.process` call after the other.

    Of a processor that has `OverlappingProcessor.begin`, one batch at most is on its way while the next is
    worked on.

    A dependency that is down, or does not let us in, pauses the loop; a defect costs one record, which
    goes to ``on_poison``.
    """

    def __init__(
        self,
        role: str,
        in_flight: InFlight,
        processor: Processor,
        on_poison: PoisonHandler,
        batch_records: int,
    ) -> None:
        self._role = role
        self._in_flight = in_flight
        self._processor = processor
        self._on_poison = on_poison
        self._batch_records = batch_records
        begin: Callable[[Sequence[Delivery]], Awaitable[Finish | None]] | None
        begin = getattr(processor, "begin", None)
        self._begin = begin
        self._turn = asyncio.Lock()
        self._finishing: asyncio.Task[None] | None = None
        self.paused_since_s: float | None = None

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                await self._work(await self._in_flight.take(self._batch_records))
        finally:
            if self._finishing is not None:
                self._finishing.cancel()
                await asyncio.gather(self._finishing, return_exceptions=True)

    async def _work(self, deliveries: Sequence[Delivery]) -> None:
        finish: Finish | None = None
        if self._begin is not None:
            async with self._turn:
                # What is wrong shows once more in `process`, where it is dealt with.
                with contextlib.suppress(Exception):
                    finish = await self._begin(deliveries)
        if self._finishing is not None:
            await self._finishing
            self._finishing = None
        if finish is None:
            await self._process(self._open(deliveries))
            self.paused_since_s = None
        else:
            self._finishing = asyncio.create_task(self._finish(deliveries, finish))
            # On its way before the next takes the event loop.
            await sleep(0)

    async def _finish(self, deliveries: Sequence[Delivery], finish: Finish) -> None:
        try:
            await finish()
        except Exception:
            async with self._turn:
                await self._process(self._open(deliveries))
        self.paused_since_s = None

    async def _process(self, deliveries: Sequence[Delivery]) -> None:
        remaining = deliveries
        pauses = _Pauses()
        while remaining:
            try:
                await self._processor.process(remaining)
            except _NOT_THE_RECORDS as error:
                await self._pause(pauses, error, len(remaining))
            except Exception:
                log.exception(
                    "defect: the batch is tried one by one", role=self._role, records=len(remaining)
                )
                for delivery in remaining:
                    await self._process_alone(delivery)
                break
            else:
                break
            remaining = self._open(remaining)

    async def _process_alone(self, delivery: Delivery) -> None:
        pauses = _Pauses()
        failure: Exception | None = None
        while self._open([delivery]):
            try:
                if failure is None:
                    await self._processor.process([delivery])
                    return
                await self._on_poison(delivery, failure)
            except _NOT_THE_RECORDS as error:
                await self._pause(pauses, error, 1)
            except Exception as error:
                where = _where(delivery)
                if failure is None:
                    log.exception("defect: a record cannot be processed", role=self._role, **where)
                    failure = error
                else:
                    # Without its dead letter the record may not be passed over.
                    log.exception("defect: no dead letter could be made", role=self._role, **where)
                    await self._pause(pauses, error, 1)
            else:
                delivery.done()

    async def _pause(self, pauses: _Pauses, error: Exception, records: int) -> None:
        if self.paused_since_s is None:
            self.paused_since_s = monotonic()
        pause_s = pauses.next_s()
        log.warning(
            "paused: tried again soon",
            role=self._role,
            because=str(error),
            records=records,
            pause_s=round(pause_s, 3),
            paused_for_s=round(monotonic() - self.paused_since_s, 1),
        )
        await sleep(pause_s)

    def _open(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        return [
            delivery
            for delivery in deliveries
            if not delivery.is_done and self._in_flight.is_current(delivery)
        ]


class _Pauses:
    """Doubling waits with jitter, so that workers do not come back all at once."""

    def __init__(self) -> None:
        self._longest_s = FIRST_PAUSE_S

    def next_s(self) -> float:
        pause_s = self._longest_s * random.uniform(0.5, 1.0)
        self._longest_s = min(LONGEST_PAUSE_S, self._longest_s * 2)
        return pause_s


def _where(delivery: Delivery) -> dict[str, object]:
    record = delivery.record
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}
