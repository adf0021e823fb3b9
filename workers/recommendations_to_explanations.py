"""The explain role: lists in, words for them out.

It stands behind the lists: a group of its own reads them, so that whatever becomes of words, lists are as
fast as ever. What it cannot keep up with is skipped, and counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

import msgspec
import structlog

from streams.codec import check_key, decode_record, outgoing
from streams.dead_letters import dead_letter_outgoing
from streams.driver import SourcePartition
from streams.errors import BadInputError, ModelFailedError
from streams.messages import ExplainedItem, Explanation, Recommendation
from streams.records import Record
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.backoff import while_down
from workers.erased_people import ErasedPeople, since_header, since_of
from workers.explain_metrics import ExplainMetrics, Skip
from workers.explaining.backlog import Backlog
from workers.explaining.facts import ItemText, item_facts
from workers.explaining.generator import Generator
from workers.ports import Delivery, Publisher

STAGE = "explain"
EXPIRY_CHECK_S = 1.0
BASE_MODEL = "base."

_log = structlog.get_logger()


class _Glance(msgspec.Struct):
    """What is read of every list; the rest only of those that get words."""

    recommendation_id: str
    user_id: str
    explain: bool = False


_glance_decoder = msgspec.json.Decoder(_Glance)


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    """A list that waits.

    ``list_at_s`` is Kafka's time of it, ``since_s`` the event loop's of when it was taken in.
    """

    delivery: Delivery
    user_id: str
    list_at_s: float
    since_s: float


class Explainer:
    """Writes words for lists that ask for them, and for a sample of the others.

    Args:
        find: Title and attributes of an item by its id, None where they are not known.
        generator: Writes the words.
        erased: Who was forgotten; somebody else keeps it current.
    """

    def __init__(
        self,
        *,
        find: Callable[[str], ItemText | None],
        generator: Generator,
        publisher: Publisher,
        topics: TopicNames,
        settings: Settings,
        now: Callable[[], datetime],
        metrics: ExplainMetrics,
        erased: ErasedPeople | None = None,
    ) -> None:
        self._erased = erased or ErasedPeople(settings.privacy)
        self._find = find
        self._generator = generator
        self._publisher = publisher
        self._topics = topics
        self._settings = settings.explain
        self._now = now
        self._metrics = metrics
        # What waits is in flight: were it all that may be, nothing newer would be read, and nothing skipped.
        room = min(self._settings.backlog_lists, max(1, settings.worker.max_in_flight_records // 2))
        self._backlog: Backlog[_Wanted] = Backlog(room, self._drop)
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._held: set[Delivery] = set()

    async def start(self) -> None:
        """Begin to work on what waits."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._settings.concurrency)]
        self._tasks.append(asyncio.create_task(self._expire()))

    async def stop(self) -> None:
        """Leave what waits: it is not done, and is delivered again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def partitions_revoked(self, partitions: Sequence[SourcePartition]) -> None:
        """Forget what waits of them: whoever gets the partition writes its words."""
        revoked = set(partitions)
        self._backlog.remove(lambda one: _source(one.delivery.record) in revoked)
        self._held = {one for one in self._held if _source(one.record) not in revoked}
        self._metrics.waiting(len(self._backlog))

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        """Take in lists; words come later, beside the next batches.

        Raises:
            DependencyDownError: Kafka does not take a dead letter; what is not done comes again.
        """
        for delivery in deliveries:
            if delivery in self._held:
                continue  # it was taken in before the call failed for another
            try:
                self._take_in(delivery)
            except BadInputError as error:
                await self._refuse(delivery, error)
        self._metrics.waiting(len(self._backlog))
        if self._backlog:
            self._arrived.set()

    def forget(self, user_id: str, at_ms: int) -> Mapping[str, int]:
        """Leave out the lists of a person that wait, as of that time; by place, how many that were."""
        void = self._backlog.remove(
            lambda one: one.user_id == user_id and since_of(one.delivery.record) < at_ms
        )
        for one in void:
            self._finish(one.delivery)
        self._metrics.waiting(len(self._backlog))
        return {"lists that wait for words": len(void)}

    def _take_in(self, delivery: Delivery) -> None:
        record = delivery.record
        try:
            glance = _glance_decoder.decode(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            decode_record(record, Recommendation)  # says what is wrong with it
            raise BadInputError("not a list") from None
        if not (glance.explain or self._is_sampled(glance.recommendation_id)):
            delivery.done()
            return
        check_key(record, glance.user_id)
        if self._erased.is_void(glance.user_id, since_of(record)):
            delivery.done()
            return
        list_at_s = record.timestamp_ms / 1_000
        if self._age_s(list_at_s) > self._settings.max_list_age_s:
            self._metrics.skipped("too_old")
            delivery.done()
            return
        self._held.add(delivery)
        wanted = _Wanted(delivery, glance.user_id, list_at_s, asyncio.get_running_loop().time())
        self._backlog.add(wanted, glance.user_id, is_asked_for=glance.explain)

    def _is_sampled(self, recommendation_id: str) -> bool:
        """The same for a list that comes again."""
        share = self._settings.sample_share
        if share in (0.0, 1.0):
            return share == 1.0
        digest = blake2b(recommendation_id.encode(errors="replace"), digest_size=8).digest()
        return int.from_bytes(digest, "big") < share * 2**64

    def _drop(self, wanted: _Wanted, why: Skip) -> None:
        self._metrics.skipped(why)
        self._finish(wanted.delivery)

    def _finish(self, delivery: Delivery) -> None:
        self._held.discard(delivery)
        delivery.done()

    async def _expire(self) -> None:
        """Skip what waits too long: newer lists come first, and the oldest would hold back every commit."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(EXPIRY_CHECK_S, self._settings.max_wait_s))
            for one in self._waited_since(loop.time() - self._settings.max_wait_s):
                self._drop(one, "waited")
            self._metrics.waiting(len(self._backlog))

    def _waited_since(self, before_s: float) -> list[_Wanted]:
        return self._backlog.remove(lambda one: one.since_s < before_s)

    def _age_s(self, list_at_s: float) -> float:
        return self._now().timestamp() - list_at_s

    async def _work(self) -> None:
        while True:
            while not self._backlog:
                self._arrived.clear()
                await self._arrived.wait()
            wanted = self._backlog.pop()
            self._metrics.waiting(len(self._backlog))
            if self._age_s(wanted.list_at_s) > self._settings.max_list_age_s:
                self._drop(wanted, "too_old")
                continue
            try:
                await self._explain(wanted)
            except Exception as error:
                # Nobody awaits this task: a defect must not leave the partition waiting for it for ever.
                if not isinstance(error, BadInputError):
                    _log.exception("defect while explaining a list")
                failure = error if isinstance(error, BadInputError) else _as_failure(error)
                await self._refuse_while_down(wanted.delivery, failure)
            # Templates take no turn of the event loop, and what else runs on it must have one.
            await asyncio.sleep(0)

    async def _explain(self, wanted: _Wanted) -> None:
        recommendation = decode_record(wanted.delivery.record, Recommendation)
        items = recommendation.items[: self._settings.max_items]
        # The base ranker's weights are never negative; of another's signs a list says nothing.
        is_directed = recommendation.model.startswith(BASE_MODEL)
        facts = [
            item_facts(one, self._find, self._settings.attributes, is_directed=is_directed) for one in items
        ]
        written = await self._generator.write(facts, recommendation.user_id)
        explanation = Explanation(
            recommendation_id=recommendation.recommendation_id,
            user_id=recommendation.user_id,
            items=[
                ExplainedItem(item_id=one.item_id, text=text)
                for one, text in zip(items, written.texts, strict=True)
            ],
            language=self._settings.language,
            generator=written.generator,
            grounded=written.grounded,
            generated_at=self._now(),
        )
        since_ms = since_of(wanted.delivery.record)
        if self._erased.is_void(recommendation.user_id, since_ms):
            self._finish(wanted.delivery)
            return
        record = msgspec.structs.replace(
            outgoing(self._topics.explanations, explanation), headers=since_header(since_ms)
        )
        await while_down("explain", lambda: self._publisher.publish([record]))
        self._metrics.explained(written.how, self._age_s(wanted.list_at_s))
        self._finish(wanted.delivery)

    async def _refuse_while_down(self, delivery: Delivery, error: BadInputError) -> None:
        await while_down("explain", lambda: self._refuse(delivery, error))

    async def _refuse(self, delivery: Delivery, error: BadInputError) -> None:
        letter = dead_letter_outgoing(self._topics.dead_letters, delivery.record, STAGE, error, self._now())
        await self._publisher.publish([letter])
        self._finish(delivery)


def _as_failure(error: Exception) -> ModelFailedError:
    return ModelFailedError(f"{type(error).__name__}: {error}")


def _source(record: Record) -> SourcePartition:
    return SourcePartition(record.topic, record.topic_uuid, record.partition)
