"""An uploaded item's way, with times: published, declared, each modality encoded, fused, recommendable."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import structlog
from aiokafka import ConsumerRecord

from streams.codec import decode_value
from streams.errors import BadInputError, DependencyDownError
from streams.internal_messages import ItemDeclared, ItemFeature
from streams.messages import Recommendation, RecommendationRequest
from streams.topics import ITEM_FEATURES, ITEM_VECTORS
from workers.console.hub import Hub
from workers.console.live_lists import LiveLists

JOURNEYS = "items"
WATCHED_ITEMS = 64
PROBE_USER = "console-probe"
PROBE_TRIES = 40
PROBES_AT_ONCE = 4
ANSWER_TIMEOUT_S = 2.0
BETWEEN_TRIES_S = 0.1

_log = structlog.get_logger()
_keys = msgspec.json.Decoder(list[str])


class Journeys:
    """Watches the items that were published here, and asks for each until it is on a list.

    Args:
        ask: Publishes a request.
    """

    def __init__(
        self, hub: Hub, lists: LiveLists, ask: Callable[[RecommendationRequest], Awaitable[None]]
    ) -> None:
        self._hub = hub
        self._lists = lists
        self._ask = ask
        self._begun: OrderedDict[str, float] = OrderedDict()
        self._asked: set[str] = set()
        self._published: set[str] = set()
        self._answers: dict[str, asyncio.Future[Recommendation]] = {}
        self._probing: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(PROBES_AT_ONCE)

    def begin(self, item_id: str) -> None:
        """An item is about to be published."""
        self._begun[item_id] = time.monotonic()
        self._begun.move_to_end(item_id)
        self._forget(item_id)
        if len(self._begun) > WATCHED_ITEMS:
            self._forget(self._begun.popitem(last=False)[0])

    def _forget(self, item_id: str) -> None:
        self._asked.discard(item_id)
        self._published.discard(item_id)

    def published(self, item_id: str) -> None:
        """Kafka has it; also told by whatever is read of it before Kafka's own answer has been."""
        if item_id not in self._published and item_id in self._begun:
            self._published.add(item_id)
            self._step(item_id, "published")

    def take_features(self, records: Sequence[ConsumerRecord]) -> None:
        """Take messages of `item-features`, of which only those of watched items are decoded."""
        for record in records:
            if record.value is None or _item_of(record.key) not in self._begun:
                continue
            try:
                message = decode_value(record.value, ITEM_FEATURES)
            except BadInputError:
                continue
            self.published(message.item_id)
            if isinstance(message, ItemDeclared):
                self._step(message.item_id, "declared", modalities=sorted(message.sources))
            elif isinstance(message, ItemFeature):
                self._step(message.item_id, "encoded", modality=message.modality, encoder=message.encoder)
            else:
                self._step(message.item_id, "failed", modality=message.modality)

    def take_vectors(self, records: Sequence[ConsumerRecord]) -> None:
        """Take messages of `item-vectors`."""
        for record in records:
            item_id = (record.key or b"").decode(errors="replace")
            if record.value is None or item_id not in self._begun:
                continue
            try:
                vector = decode_value(record.value, ITEM_VECTORS)
            except BadInputError:
                continue
            if vector.vector is None:
                continue
            self.published(item_id)
            self._step(item_id, "fused", modalities=sorted(vector.modalities))
            if item_id not in self._asked:
                self._asked.add(item_id)
                task = asyncio.create_task(self._probe(item_id), name="probe")
                self._probing.add(task)
                task.add_done_callback(self._probing.discard)

    async def stop(self) -> None:
        """Ask no more."""
        for task in self._probing:
            task.cancel()
        await asyncio.gather(*self._probing, return_exceptions=True)

    async def _probe(self, item_id: str) -> None:
        async with self._slots:
            self._lists.listen(PROBE_USER, self._answered)
            for _ in range(PROBE_TRIES):
                try:
                    answer = await self._answer(item_id)
                except (TimeoutError, DependencyDownError):
                    continue
                if any(one.item_id == item_id for one in answer.items):
                    self._step(item_id, "recommendable")
                    return
                await asyncio.sleep(BETWEEN_TRIES_S)
            self._step(item_id, "not_recommendable")

    async def _answer(self, item_id: str) -> Recommendation:
        request = RecommendationRequest(
            request_id=f"console-{secrets.token_hex(8)}", user_id=PROBE_USER, count=1, candidates=[item_id]
        )
        answer: asyncio.Future[Recommendation] = asyncio.get_running_loop().create_future()
        self._answers[request.request_id] = answer
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._ask(request)
                return await answer
        finally:
            del self._answers[request.request_id]

    def _answered(self, made: Recommendation) -> None:
        answer = self._answers.get(made.cause.id)
        if answer is not None and not answer.done():
            answer.set_result(made)

    def _step(self, item_id: str, step: str, **more: Any) -> None:
        begun_s = self._begun.get(item_id)
        if begun_s is not None:
            ms = round(1_000 * (time.monotonic() - begun_s), 1)
            self._hub.publish(JOURNEYS, "step", {"item_id": item_id, "step": step, "ms": ms, **more})


def _item_of(key: bytes | None) -> str:
    """The item that a key of `item-features` names."""
    try:
        return _keys.decode(key or b"")[0]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError):
        return ""
