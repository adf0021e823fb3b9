"""Lists on their way out: published, and each person's newest one kept for page views."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Self

import msgspec

from streams.codec import outgoing
from streams.messages import Recommendation
from streams.records import Outgoing
from workers.erased_people import ErasedPeople, since_header
from workers.ports import Publisher
from workers.state.store import NewestList, StateStore
from workers.wanted_lists import Answer

# Time for what was made to be on its way, before the next takes the event loop.
HEAD_START_S = 0.001


class Sending:
    """What is sent while more is made; left, once all of it has arrived."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Nothing is on its way yet."""
        return self

    async def send(self, one: Coroutine[None, None, None]) -> None:
        """Begin to send; what it raises is raised when this is left."""
        task = asyncio.create_task(one)
        self._tasks.append(task)
        await asyncio.wait([task], timeout=HEAD_START_S)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all of it, whatever happened; cancelled, it is given up.

        Raises:
            DependencyDownError: Some did not arrive.
        """
        if isinstance(error, asyncio.CancelledError):
            for task in self._tasks:
                task.cancel()
        failures = [
            one
            for one in await asyncio.gather(*self._tasks, return_exceptions=True)
            if isinstance(one, BaseException)
        ]
        if error is None and failures:
            raise failures[0]


class ListPublishing:
    """Publishes lists.

    Args:
        topic: The full name of `recommendations`.
        keep_s: How long a newest list is kept.
        erased: Who was forgotten: of them no list is kept.
    """

    def __init__(
        self, store: StateStore, publisher: Publisher, topic: str, keep_s: int, erased: ErasedPeople
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._topic = topic
        self._keep_s = keep_s
        self._erased = erased

    def record(self, recommendation: Recommendation, since_ms: int = 0) -> Outgoing:
        """The record of a list for the life of a person that began at ``since_ms``."""
        record = outgoing(self._topic, recommendation)
        return msgspec.structs.replace(record, headers=since_header(since_ms)) if since_ms else record

    async def send(self, answers: Sequence[Answer]) -> None:
        """Publish lists, and keep each person's newest one.

        Raises:
            DependencyDownError: State or Kafka does not answer.
        """
        if not answers:
            return
        records = [self.record(answer.recommendation, answer.since_ms) for answer in answers]
        newest = [
            self._newest(answer, record.value or b"")
            for answer, record in zip(answers, records, strict=True)
            if answer.newest and not self._erased.is_void(answer.recommendation.user_id, answer.since_ms)
        ]
        await asyncio.gather(
            self._publisher.publish(records), self._store.put_newest_lists(newest, self._keep_s)
        )

    def _newest(self, answer: Answer, encoded: bytes) -> NewestList:
        user_id, version = answer.recommendation.user_id, answer.recommendation.profile_version
        return NewestList(user_id, version, encoded, self._erased.hash_of(user_id), answer.since_ms)
