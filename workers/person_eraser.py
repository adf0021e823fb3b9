"""Erasures in; receipts out: the part of the profile role that removes a person.

One atomic step removes what is in Redis and sets the mark by which every role knows what is void from then
on. Then the profile's tombstone is published. Then the worker waits until each worker that holds people in
memory has said that it forgot the person, and publishes the receipt. Only then the erasure is done: a worker
that dies in the middle leaves it to the next one, which removes nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import structlog

from models.errors import ProfileStateError
from models.profile import Profile, decode_profile
from streams.codec import decode_record, outgoing
from streams.dead_letters import dead_letter_outgoing
from streams.errors import BadInputError, ConfigurationError
from streams.messages import Erasure, ErasureReceipt, Removal
from streams.records import Outgoing, Record
from streams.retention import Expiry
from streams.topic_names import TopicNames
from workers.backoff import while_down
from workers.current_profiles import SETTLED_S, publish_current
from workers.erased_people import ErasedPeople, since_header
from workers.fenced import FencedRole, Plan
from workers.ports import Delivery, Publisher
from workers.state.exposures import Exposures, decode_exposures, exposures_key, timers_name
from workers.state.profile import profile_key
from workers.state.store import (
    MISSING,
    VERSION_BYTES,
    CounterIncrement,
    ErasureMark,
    StateStore,
    TimerChange,
    Write,
    pack_version,
)

STAGE = "profile"
POLL_S = 0.1
SLOW_S = 30.0
# Erasures whose acknowledgements are looked for at a time.
COMPLETED_AT_ONCE = 16
KEEP_REMOVED_S = 14 * 86_400
NOT_ATTRIBUTABLE = (
    "weights of the ranker and models of sources, learned across people",
    "counts of items by time of day and situation",
    "what pairs and popularity hold of events older than a worker's log of events",
    "counts of outcomes by day, model, experiment and arm",
    "words for an item and a reason, which are the same for everybody",
    "words that requests asked with, in the memory of recommend workers and of a console, without who asked",
)

_log = structlog.get_logger()


def erasure_id(person: str, at_ms: int) -> str:
    """Names one erasure of a person, by their keyed hash and Kafka's time of it."""
    return f"{person}:{at_ms}"


def erased_key(person: str) -> str:
    """Where it is kept what the newest erasure of a person removed."""
    return f"erasure:{person}"


@dataclass(frozen=True, slots=True)
class _Request:
    """An erasure, and whether it was carried out before."""

    erasure: Erasure
    at_ms: int
    is_applied: bool


@dataclass(frozen=True, slots=True)
class ErasurePlan(Plan):
    """A plan with whom it is about, by partition and offset, and what it removes, by the erasure's id."""

    requests: Mapping[tuple[int, int], _Request] = field(default_factory=dict)
    removed: Mapping[str, Sequence[Removal]] = field(default_factory=dict)


class PersonEraser(FencedRole):
    """Removes people, each erasure once.

    Args:
        expiry: By when topics let go of what was published until a moment; asks Kafka.
        settled_s: After so long nothing is under way any more that did not know of an erasure.
    """

    def __init__(
        self,
        *,
        store: StateStore,
        publisher: Publisher,
        topics: TopicNames,
        erased: ErasedPeople,
        expiry: Callable[[datetime], Expiry],
        keeps_marks: bool,
        counter_half_life_s: float,
        now: Callable[[], datetime],
        on_set_back: Callable[[], None] = lambda: None,
        settled_s: float = SETTLED_S,
    ) -> None:
        self._settled_s = settled_s
        super().__init__(
            STAGE,
            store,
            publisher,
            counter_half_life_s=counter_half_life_s,
            on_set_back=on_set_back,
            erased=erased,
        )
        self._people = erased
        self._topics = topics
        self._expiry = expiry
        self._keeps_marks = keeps_marks
        self._now = now
        self._publish_to = publisher
        self._tasks: set[asyncio.Task[None]] = set()
        self._completing = asyncio.Semaphore(COMPLETED_AT_ONCE)
        self._held: set[Delivery] = set()

    async def stop(self) -> None:
        """Leave what waits for other workers: it is not done, and is delivered again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        """Remove people; each delivery is done once its receipt is published.

        Raises:
            DependencyDownError: State or Kafka does not answer; what is not done comes again.
        """
        # Those whose receipt waits may be handed in again with others that failed.
        fresh = [one for one in deliveries if one not in self._held]
        if not fresh:
            return
        plan = await self._apply([delivery.record for delivery in fresh])
        assert isinstance(plan, ErasurePlan)
        # The step has set marks: this worker is to know of them, too.
        await self._people.refresh(self.store)
        if plan.outgoing:
            await self._publish_to.publish(plan.outgoing)
        settled_at_s = asyncio.get_running_loop().time() + self._settled_s
        for delivery in fresh:
            record = delivery.record
            request = plan.requests.get((record.partition, record.offset))
            if request is None:
                delivery.done()
                continue
            person = self._people.hash_of(request.erasure.user_id)
            removed = plan.removed.get(erasure_id(person, request.at_ms), ())
            self._held.add(delivery)
            task = asyncio.create_task(
                self._complete(delivery, request, removed, settled_at_s), name="erasure"
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def plan(self, records: Sequence[Record], is_applied: Sequence[bool]) -> ErasurePlan:
        """What is to be removed; see `FencedRole.plan`."""
        requests: dict[tuple[int, int], _Request] = {}
        letters: list[Outgoing] = []
        newest: dict[str, _Request] = {}
        for record, applied in zip(records, is_applied, strict=True):
            try:
                erasure = decode_record(record, Erasure)
            except BadInputError as error:
                letters.append(
                    dead_letter_outgoing(self._topics.dead_letters, record, "erase", error, self._now())
                )
                continue
            request = _Request(erasure, record.timestamp_ms, applied)
            requests[record.partition, record.offset] = request
            held = newest.get(erasure.user_id)
            if held is None or held.at_ms <= request.at_ms:
                newest[erasure.user_id] = request
        is_new = any(not request.is_applied for request in newest.values())
        until_ms = await self._until_ms() if is_new else 0
        parts = [await self._remove(request, until_ms) for request in newest.values()]
        return ErasurePlan(
            [write for part in parts for write in part.writes],
            [*letters, *(record for part in parts for record in part.outgoing)],
            [increment for part in parts for increment in part.increments],
            timers=[timer for part in parts for timer in part.timers],
            marks=[mark for part in parts for mark in part.marks],
            deletes=[key for part in parts for key in part.deletes],
            requests=requests,
            removed={name: removed for part in parts for name, removed in part.removed.items()},
        )

    async def _remove(self, request: _Request, until_ms: int) -> ErasurePlan:
        """What one person's erasure does to the state as it is now; its mark may go after ``until_ms``."""
        user_id, at_ms = request.erasure.user_id, request.at_ms
        person = self._people.hash_of(user_id)
        name = erasure_id(person, at_ms)
        keys = [profile_key(user_id), exposures_key(user_id), erased_key(person)]
        profile, exposures, before = await self.store.load(keys)
        writes: list[Write] = []
        increments: list[CounterIncrement] = []
        timers: list[TimerChange] = []
        old = None if profile is None else _readable(user_id, profile)
        is_old = profile is not None and (old is None or old.since_ms < at_ms)
        if profile is not None and is_old:
            writes.append(Write(keys[0], profile[:VERSION_BYTES], None))
            increments = [] if old is None else _taken_back(old)
        shown = 0
        if exposures is not None:
            state = _readable_exposures(user_id, exposures)
            if state.since_ms < at_ms:
                shown = len(state.lists) + len(state.waiting)
                writes.append(Write(keys[1], exposures[:VERSION_BYTES], None))
                timers.append(TimerChange(timers_name(state.partition), user_id, None))
        # A tombstone also where there is nothing: the topic may hold what Redis has lost.
        tombstones = [] if profile is not None and not is_old else [self._tombstone(user_id, at_ms)]
        if request.is_applied:
            kept = () if before is None or before[:VERSION_BYTES] != pack_version(at_ms) else _decoded(before)
            return ErasurePlan(writes, tombstones, increments, timers=timers, removed={name: kept})
        newest = await self.store.newest_list(user_id)
        found = {
            "profile in Redis": int(is_old),
            "history entries of the profile": 0 if old is None else len(old.item_ids),
            "popularity of items, contributions": len(increments),
            "exposures and waiting events in Redis": shown,
            "newest list in Redis": int(newest is not None),
            f"tombstone in {self._topics.profiles}": len(tombstones),
        }
        removed = [Removal(place=place, records=count, role=STAGE) for place, count in found.items()]
        expected = MISSING if before is None else before[:VERSION_BYTES]
        note = pack_version(at_ms) + msgspec.json.encode(removed)
        writes.append(Write(erased_key(person), expected, note, KEEP_REMOVED_S))
        return ErasurePlan(
            writes,
            tombstones,
            increments,
            timers=timers,
            marks=[ErasureMark(person, at_ms, until_ms)],
            deletes=[f"list:{user_id}"],
            removed={name: removed},
        )

    async def _until_ms(self) -> int:
        """When nothing is left in Kafka that a mark set now makes void; 0 where that is never."""
        if self._keeps_marks:
            return 0
        try:
            expiry = await self._expires(self._now())
        except ConfigurationError as error:
            # The person is forgotten all the same; the receipt waits until Kafka tells.
            _log.error("configuration of topics cannot be read: a mark stays for good", error=str(error))
            return 0
        if expiry.never or not expiry.expires_at:
            return 0
        return round(max(expiry.expires_at.values()).timestamp() * 1_000)

    async def _expires(self, until: datetime) -> Expiry:
        return await asyncio.to_thread(self._expiry, until)

    async def _expires_once_allowed(self, until: datetime) -> Expiry:
        while True:
            try:
                return await self._expires(until)
            except ConfigurationError as error:
                _log.error("an erasure waits: the configuration of topics cannot be read", error=str(error))
                await asyncio.sleep(SLOW_S)

    def _tombstone(self, user_id: str, at_ms: int) -> Outgoing:
        return Outgoing(self._topics.profiles, user_id.encode(), None, headers=since_header(at_ms))

    async def _complete(
        self, delivery: Delivery, request: _Request, removed: Sequence[Removal], settled_at_s: float
    ) -> None:
        """Publish the receipt, whatever fails on the way: a task that ends leaves the delivery undone."""
        try:
            while True:
                try:
                    await self._publish_receipt(request, removed, settled_at_s)
                    break
                except Exception:
                    _log.exception("an erasure has no receipt yet, trying again", wait_s=SLOW_S)
                    await asyncio.sleep(SLOW_S)
            delivery.done()
        finally:
            self._held.discard(delivery)

    async def _publish_receipt(
        self, request: _Request, removed: Sequence[Removal], settled_at_s: float
    ) -> None:
        """Wait for every worker that holds people in memory, then publish the receipt."""
        person = self._people.hash_of(request.erasure.user_id)
        name = erasure_id(person, request.at_ms)
        async with self._completing:
            acknowledged = await while_down("erasure", lambda: self._acknowledged(name))
        await asyncio.sleep(settled_at_s - asyncio.get_running_loop().time())
        # What was published of the person in the meantime must not be the last.
        people = [request.erasure.user_id]
        await while_down(
            "tombstone",
            lambda: publish_current(self.store, self._publish_to, self._topics, self._people, people),
        )
        others = [
            removal
            for holder in sorted(acknowledged)
            for removal in msgspec.json.decode(acknowledged[holder], type=list[Removal])
        ]
        completed_at = self._now()
        expiry = await while_down("erasure", lambda: self._expires_once_allowed(completed_at))
        receipt = ErasureReceipt(
            user=person,
            requested_at=request.erasure.requested_at,
            completed_at=completed_at,
            removed=[*removed, *others],
            expires_at=expiry.expires_at,
            without_expiry=list(expiry.never),
            not_attributable=list(NOT_ATTRIBUTABLE),
        )
        record = outgoing(self._topics.erasure_receipts, receipt)
        await while_down("receipt", lambda: self._publish_to.publish([record]))

    async def _acknowledged(self, name: str) -> dict[str, bytes]:
        loop = asyncio.get_running_loop()
        warn_s = loop.time() + SLOW_S
        while True:
            waiting = await self.store.holders()
            acknowledged = await self.store.acknowledgements(name)
            missing = waiting - acknowledged.keys()
            if not missing:
                return acknowledged
            if loop.time() >= warn_s:
                warn_s = loop.time() + SLOW_S
                _log.warning("an erasure waits for workers", workers=sorted(missing))
            await asyncio.sleep(POLL_S)


def _readable(user_id: str, value: bytes) -> Profile | None:
    try:
        return decode_profile(value[VERSION_BYTES:])
    except ProfileStateError as error:
        _log.error("an unreadable profile is removed", problem=str(error))
        return None


def _readable_exposures(user_id: str, value: bytes) -> Exposures:
    try:
        return decode_exposures(user_id, value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _log.error("unreadable exposures are removed", problem=str(error))
        return Exposures(user_id)


def _taken_back(profile: Profile) -> list[CounterIncrement]:
    """What the history added to the counters of its items."""
    return [
        CounterIncrement(entry.item_id, -entry.weight, entry.occurred_at_ms / 1_000)
        for entry in profile.history
        if entry.weight > 0
    ]


def _decoded(stored: bytes) -> list[Removal]:
    return msgspec.json.decode(stored[VERSION_BYTES:], type=list[Removal])
