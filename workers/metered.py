"""A role's records counted on their way in and out, whatever the role is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any

import msgspec

from streams.driver import Delivery, Finish, Processor
from streams.metrics import BATCH_RECORDS, DEAD_LETTERS, PROCESS_SECONDS, RECORDS_IN, RECORDS_OUT
from streams.records import Outgoing
from workers.ports import Publisher


class MeteredProcessor:
    """Counts and times each batch of ``processor``; passes everything on to it."""

    def __init__(self, processor: Processor, role: str) -> None:
        self._processor = processor
        begin: Callable[[Sequence[Delivery]], Awaitable[Finish | None]] | None
        begin = getattr(processor, "begin", None)
        self._begin = begin
        self._role = role
        self._batch_records = BATCH_RECORDS.labels(role)
        self._seconds = PROCESS_SECONDS.labels(role)

    async def start(self) -> None:
        """See `Processor`."""
        await self._processor.start()

    async def stop(self) -> None:
        """See `Processor`."""
        await self._processor.stop()

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        """See `Processor`."""
        self._note(deliveries)
        started = perf_counter()
        try:
            await self._processor.process(deliveries)
        finally:
            self._seconds.observe(perf_counter() - started)

    async def begin(self, deliveries: Sequence[Delivery]) -> Finish | None:
        """See `OverlappingProcessor`. A batch's time ends when it is finished, waits for others included."""
        if self._begin is None:
            return None
        started = perf_counter()
        begun = await self._begin(deliveries)
        if begun is None:
            return None
        finish = begun
        self._note(deliveries)

        async def finished() -> None:
            try:
                await finish()
            finally:
                self._seconds.observe(perf_counter() - started)

        return finished

    def _note(self, deliveries: Sequence[Delivery]) -> None:
        self._batch_records.observe(len(deliveries))
        for topic, records in Counter(delivery.record.topic for delivery in deliveries).items():
            RECORDS_IN.labels(self._role, topic).inc(records)

    def __getattr__(self, name: str) -> Any:
        # The hooks that a processor may have: the driver looks whether they are there.
        return getattr(self._processor, name)


class _LetterLabels(msgspec.Struct):
    """What of a dead letter is counted."""

    stage: str
    reason: str


_letter_decoder = msgspec.json.Decoder(_LetterLabels)


class MeteredPublisher:
    """Counts what ``publisher`` published, dead letters by their stage and reason."""

    def __init__(self, publisher: Publisher, role: str, dead_letters_topic: str) -> None:
        self._publisher = publisher
        self._role = role
        self._dead_letters_topic = dead_letters_topic

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """See `Publisher`."""
        await self._publisher.publish(records)
        for topic, count in Counter(record.topic for record in records).items():
            RECORDS_OUT.labels(self._role, topic).inc(count)
        for record in records:
            if record.topic == self._dead_letters_topic and record.value is not None:
                letter = _letter_decoder.decode(record.value)
                DEAD_LETTERS.labels(letter.stage, letter.reason).inc()
