"""The recommend role: changed profiles and requests in, lists out.

An event's list may be left out where a newer one of the same person covers it (`profile_version` says
how far); a request always gets exactly one kind of answer.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice

import structlog

from models.profile import Profile, decode_profile
from models.ranking import ListQuery, ListResult
from streams.codec import decode_record
from streams.dead_letters import dead_letter_outgoing
from streams.errors import (
    BadInputError,
    ConfigurationError,
    DependencyDownError,
    InvalidError,
    ModelFailedError,
)
from streams.internal_messages import ProfileChanged
from streams.messages import Cause, Recommendation, RecommendationRequest
from streams.rejected_requests import rejected_request
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.backoff import while_down
from workers.erased_people import ErasedPeople
from workers.list_makers import ListMaker, MadeList
from workers.list_making import ListMaking
from workers.list_publishing import ListPublishing, Sending
from workers.list_refiner import RefinesLists
from workers.ports import Delivery, Publisher
from workers.query_reader import Asked, QueriesOff, ReadsQueries
from workers.recommend_requests import (
    has_words,
    is_plain,
    list_query,
    recommendation,
    shortfall_for,
)
from workers.role_metrics import RecommendMetrics
from workers.state.profile import profile_key, stored_profile, stored_version
from workers.state.store import StateStore
from workers.wanted_lists import Answer, ReadyRequest, WantedList, asked_at, covering, lacks_event

STAGE = "recommend"
KNOWN_VERSIONS = 200_000
AFTER_EVENT_POLL_S = 0.01
# Of the time until a request's deadline, what refining leaves at least, so that the list goes out in time.
KEPT_TO_SEND_S = 0.05

_log = structlog.get_logger()


class Recommender:
    """Makes a list for each changed profile and each request.

    Args:
        lists: Makes them, by what is kept current on the same event loop.
        queries: Reads what requests ask for in words.
        refiner: Refines lists for requests that ask for it; None, and nobody's list is.
        on_change: Told of each changed profile before its list is made, so that the list knows of it.
        erased: Who was forgotten; somebody else keeps it current.
    """

    def __init__(
        self,
        *,
        lists: ListMaker,
        store: StateStore,
        publisher: Publisher,
        topics: TopicNames,
        settings: Settings,
        now: Callable[[], datetime],
        metrics: RecommendMetrics,
        on_change: Callable[[ProfileChanged], None] = lambda change: None,
        queries: ReadsQueries | None = None,
        refiner: RefinesLists | None = None,
        erased: ErasedPeople | None = None,
    ) -> None:
        self._queries = queries or QueriesOff()
        self._refiner = refiner
        self._on_change = on_change
        self._store = store
        self._publisher = publisher
        self._topics = topics
        self._settings = settings.recommend
        self._max_cause_age = timedelta(seconds=settings.recommend.max_cause_age_s)
        self._now = now
        self._metrics = metrics
        self._erased = erased or ErasedPeople(settings.privacy)
        keep_s = round(settings.recommend.list_retention_days * 86_400)
        self._making = ListMaking(lists, self._queries, store, self._erased, metrics)
        self._publishing = ListPublishing(store, publisher, topics.recommendations, keep_s, self._erased)
        self._versions: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Cancel requests that still wait: they are not done, and are delivered again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def forget(self, user_id: str, at_ms: int) -> int:
        """Forget a person, as of that time; how many versions that were remembered."""
        known = self._versions.get(user_id)
        if known is None or known[0] >= at_ms:
            return 0
        del self._versions[user_id]
        return 1

    async def process(self, deliveries: Sequence[Delivery]) -> None:
        """Answer a batch. Requests that wait for an event are answered later, beside the next batches.

        Raises:
            DependencyDownError: State or Kafka does not answer; what is not done comes again.
        """
        changes = [one for one in deliveries if one.record.topic == self._topics.profiles]
        requests = [one for one in deliveries if one.record.topic != self._topics.profiles]
        await self._answer_changes(changes)
        try:
            await self._answer_requests(requests)
        except (DependencyDownError, ConfigurationError):
            raise
        except Exception as error:
            if len(deliveries) > 1:
                raise  # The driver hands them in again one by one, to find the one it is about.
            _log.exception("defect while answering a request")
            await self._refuse(requests[0], ModelFailedError(f"{type(error).__name__}: {error}"))

    # Events

    async def _answer_changes(self, deliveries: Sequence[Delivery]) -> None:
        newest: dict[str, ProfileChanged] = {}
        covered = 0
        for delivery in deliveries:
            if delivery.record.value is None:
                continue
            change = decode_record(delivery.record, ProfileChanged)
            if self._erased.is_void(change.user_id, change.since_ms):
                continue
            self._on_change(change)
            held = newest.get(change.user_id)
            covered += held is not None
            newest[change.user_id] = change if held is None else covering(held, change)
        self._metrics.coalesced(covered)
        loud = [change for change in newest.values() if not self._is_silent(change)]
        profiles = [decode_profile(change.state) for change in loud]
        plain = ListQuery(count=self._settings.list_count)
        causes = [Cause(kind="event", id=change.cause.event_id) for change in loud]
        contexts = [change.applied[-1].context if change.applied else {} for change in loud]
        wanted = [
            WantedList(profile, cause, plain, change.cause.occurred_at, context)
            for change, profile, cause, context in zip(loud, profiles, causes, contexts, strict=True)
        ]
        unanswered = iter(zip(loud, profiles, causes, strict=True))
        async with Sending() as sending:
            async for made in self._making.parts(wanted):
                part = list(zip(islice(unanswered, len(made)), made, strict=True))
                await sending.send(self._answer_part(part))
        for delivery in deliveries:
            delivery.done()

    async def _answer_part(
        self, part: Sequence[tuple[tuple[ProfileChanged, Profile, Cause], MadeList]]
    ) -> None:
        answers = [
            Answer(self._recommendation(profile, cause, one), newest=True, since_ms=profile.since_ms)
            for (_, profile, cause), one in part
        ]
        await self._publishing.send(answers)
        for (change, _, _), _ in part:
            self._metrics.event_answered(change.cause.published_at, self._now())

    def _is_silent(self, change: ProfileChanged) -> bool:
        """Whether no list is wanted: the profile is older than one already served, or the event is old."""
        version = (change.since_ms, change.version)
        if version < self._versions.get(change.user_id, (0, 0)):
            return True
        self._versions[change.user_id] = version
        self._versions.move_to_end(change.user_id)
        if len(self._versions) > KNOWN_VERSIONS:
            self._versions.popitem(last=False)
        return self._now() - change.cause.occurred_at > self._max_cause_age

    # Requests

    async def _answer_requests(self, deliveries: Sequence[Delivery]) -> None:
        valid: list[tuple[Delivery, RecommendationRequest]] = []
        for delivery in deliveries:
            try:
                valid.append((delivery, decode_record(delivery.record, RecommendationRequest)))
            except BadInputError as error:
                await self._refuse(delivery, error)
        stored = await self._store.load([profile_key(request.user_id) for _, request in valid])
        ready: list[ReadyRequest] = []
        for (delivery, request), value in zip(valid, stored, strict=True):
            profile = self._erased.profile(stored_profile(request.user_id, value))
            words = request.query if has_words(request) else None
            asked = None if words is None else self._queries.known(words)
            if (
                lacks_event(request, profile)
                or (words is not None and asked is None)
                or self._is_refined(request)
            ):
                self._spawn(delivery, request)
            else:
                ready.append(ReadyRequest(delivery, request, profile, asked))
        await self._finish(ready, stale=False)

    def _spawn(self, delivery: Delivery, request: RecommendationRequest) -> None:
        task = asyncio.create_task(self._answer_later(delivery, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_later(self, delivery: Delivery, request: RecommendationRequest) -> None:
        try:
            asked = None
            if request.query is not None and has_words(request):
                asked = await self._queries.read(request.query)
            await self._answer_after_event(delivery, request, asked)
        except ModelFailedError as error:
            failed = error
            await while_down("answer", lambda: self._refuse(delivery, failed))
        except Exception as error:
            # Nobody awaits this task: a defect of ours must not leave the request without its answer, nor
            # its partition waiting for it for ever.
            _log.exception("defect while answering a request", request_id=request.request_id)
            failure = ModelFailedError(f"{type(error).__name__}: {error}")
            await while_down("answer", lambda: self._refuse(delivery, failure))

    async def _answer_after_event(
        self, delivery: Delivery, request: RecommendationRequest, asked: Asked | None
    ) -> None:
        """Wait until the event is applied, or long enough."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.after_event_wait_ms / 1_000
        key = profile_key(request.user_id)
        while True:
            (value,) = await while_down("after event", lambda: self._store.load([key]))
            profile = self._erased.profile(stored_profile(request.user_id, value))
            stale = lacks_event(request, profile)
            if not stale or loop.time() >= deadline:
                break
            await asyncio.sleep(AFTER_EVENT_POLL_S)
        ready = ReadyRequest(delivery, request, profile, asked)
        if not self._is_refined(request):
            await while_down("answer", lambda: self._finish([ready], stale=stale))
            return
        made: list[MadeList] = []

        async def finish() -> None:
            # Once: where Kafka or Redis is down, what is tried again is to send it.
            if not made and not self._is_late(request):
                (one,) = await self._lists_for([ready])
                made.append(await self._refined(ready, one))
            await self._finish([ready], stale=stale, made=made)

        await while_down("answer", finish)

    def _is_late(self, request: RecommendationRequest) -> bool:
        return request.deadline is not None and self._now() > request.deadline

    async def _finish(
        self, ready: Sequence[ReadyRequest], *, stale: bool, made: Sequence[MadeList] = ()
    ) -> None:
        """Answer requests; with lists that are ``made`` already, where there are some."""
        late = [self._is_late(one.request) for one in ready]
        due = [one for one, is_late in zip(ready, late, strict=True) if not is_late]
        if due:
            await self._answer(due, made or await self._lists_for(due), stale=stale)
        for one, is_late in zip(ready, late, strict=True):
            if is_late:
                await self._refuse(one.delivery, InvalidError("the request's `deadline` has passed"))

    async def _lists_for(self, due: Sequence[ReadyRequest]) -> list[MadeList]:
        causes = [Cause(kind="request", id=one.request.request_id) for one in due]
        return await self._making.make(
            [
                WantedList(
                    one.profile,
                    cause,
                    list_query(one.request, one.asked),
                    asked_at(one.delivery),
                    one.request.context,
                    one.asked,
                )
                for one, cause in zip(due, causes, strict=True)
            ]
        )

    async def _answer(self, due: Sequence[ReadyRequest], made: Sequence[MadeList], *, stale: bool) -> None:
        answers = [
            Answer(
                self._recommendation(
                    one.profile,
                    Cause(kind="request", id=one.request.request_id),
                    made_list,
                    stale=stale,
                    explain=one.request.explain,
                    asked=one.asked,
                ),
                newest=is_plain(one.request) and one.request.count >= self._settings.list_count,
                since_ms=one.profile.since_ms,
            )
            for one, made_list in zip(due, made, strict=True)
        ]
        await self._publishing.send(answers)
        for one in due:
            self._metrics.request_answered(asked_at(one.delivery), self._now(), stale=stale)
            if one.asked is not None:
                self._metrics.asked(used=one.asked.answer.used, negations=one.asked.answer.negations)
            one.delivery.done()

    def _is_refined(self, request: RecommendationRequest) -> bool:
        """Whether its list takes a while, and must not hold up others."""
        return request.refine and self._refiner is not None

    async def _refined(self, ready: ReadyRequest, made: MadeList) -> MadeList:
        request = ready.request
        if self._refiner is None or not request.refine:
            return made
        within_s = math.inf
        if request.deadline is not None:
            left_s = (request.deadline - self._now()).total_seconds()
            within_s = min(left_s / 2, left_s - KEPT_TO_SEND_S)
        if within_s <= 0:
            return made
        is_own = not (request.seed_items or has_words(request))
        try:
            return await self._refiner.refine(ready.profile, made, within_s, is_own=is_own)
        except Exception:
            # The list is there already: a defect of what refines it must not cost it.
            _log.exception("a list could not be refined", request_id=request.request_id)
            return made

    async def _refuse(self, delivery: Delivery, error: BadInputError) -> None:
        """A dead letter and, where the request says to whom, an answer without items."""
        record = delivery.record
        records = [dead_letter_outgoing(self._topics.dead_letters, record, STAGE, error, self._now())]
        asked = rejected_request(record)
        if asked is not None:
            cause = Cause(kind="request", id=asked.request_id)
            refused = MadeList(ListResult((), complete=False, shortfall=shortfall_for(error)), "none")
            (value,) = await self._store.load([profile_key(asked.user_id)])
            # Its version alone: what is refused may be so because the profile cannot be read.
            profile = Profile(asked.user_id, stored_version(value))
            records.append(self._publishing.record(self._recommendation(profile, cause, refused)))
        self._metrics.refused(error.reason)
        await self._publisher.publish(records)
        delivery.done()

    # Lists

    def _recommendation(
        self,
        profile: Profile,
        cause: Cause,
        made: MadeList,
        *,
        stale: bool = False,
        explain: bool = False,
        asked: Asked | None = None,
    ) -> Recommendation:
        if not made.result.complete:
            self._metrics.short()
        return recommendation(profile, cause, made, self._now(), stale=stale, explain=explain, asked=asked)
