"""Lists and words as they come, for those who look, with how long after its event a list came. No I/O."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import ConsumerRecord

from streams.codec import decode_value
from streams.errors import BadInputError
from streams.messages import Explanation, Reason, Recommendation
from streams.topics import EXPLANATIONS, RECOMMENDATIONS
from workers.console.catalogue import ConsoleCatalogue
from workers.console.hub import Hub, user_channel
from workers.erased_people import since_of

MAX_WAITING_CAUSES = 2_000
SHOWN_ITEMS = 20
HELD_LIST_BYTES = 16 << 20
MAX_FORGOTTEN = 10_000


class LiveLists:
    """Hands on the lists of people whom somebody follows; of the others', each newest is held undecoded.

    Args:
        max_held: People whose newest list is held: who opens a page sees it before a new one is made.
        clock: Seconds that only grow.
    """

    def __init__(
        self, hub: Hub, catalogue: ConsoleCatalogue, clock: Callable[[], float], max_held: int = 0
    ) -> None:
        self._hub = hub
        self._catalogue = catalogue
        self._clock = clock
        self._published: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._max_held = max_held
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._held_bytes = 0
        # When people were forgotten, by Python's keyed hash: the id itself is not to be kept.
        self._forgotten_ms: OrderedDict[int, int] = OrderedDict()
        self._listeners: dict[str, Callable[[Recommendation], None]] = {}
        self.latencies_ms: deque[float] = deque(maxlen=200)

    def published(self, cause_id: str, query: str = "") -> None:
        """An event or a request goes to Kafka now, the latter perhaps with a `query` in words."""
        self._published[cause_id] = (self._clock(), query)
        if len(self._published) > MAX_WAITING_CAUSES:
            self._published.popitem(last=False)

    def listen(self, user_id: str, on_list: Callable[[Recommendation], None]) -> None:
        """Have every list of somebody, whether a page follows them or not."""
        self._listeners[user_id] = on_list

    def stop_listening(self, user_id: str) -> None:
        """No more of them."""
        self._listeners.pop(user_id, None)

    def take_lists(self, records: Sequence[ConsumerRecord]) -> None:
        """Take messages of `recommendations`."""
        for record in records:
            user_id = (record.key or b"").decode(errors="replace")
            if self._is_void(user_id, record):
                continue
            channel = user_channel(user_id)
            listener = self._listeners.get(user_id)
            if listener is None and not self._hub.has_followers(channel):
                self._hold(user_id, record.value or b"")
                continue
            try:
                made = decode_value(record.value or b"", RECOMMENDATIONS)
            except BadInputError:
                continue
            if made.query is None:
                self._hold(user_id, record.value or b"")
            if listener is not None:
                listener(made)
            self._hub.publish(channel, "list", self._shown(made, self._clock()))

    def newest(self, user_id: str) -> dict[str, Any] | None:
        """Somebody's newest list, if it is held and no answer to words; how long it took is not told."""
        value = self._held.get(user_id)
        if value is None:
            return None
        try:
            made = decode_value(value, RECOMMENDATIONS)
        except BadInputError:
            return None
        return self._shown(made, None) if made.query is None else None

    def forget(self, user_id: str, since_ms: int) -> None:
        """Hold no list of somebody, and take none that is from before then; 0 where that is not known."""
        self._drop(user_id)
        person = hash(user_id)
        self._forgotten_ms[person] = max(since_ms, self._forgotten_ms.pop(person, 0))
        if len(self._forgotten_ms) > MAX_FORGOTTEN:
            self._forgotten_ms.popitem(last=False)

    def _is_void(self, user_id: str, record: ConsumerRecord) -> bool:
        """Whether it was made before the person was forgotten, and is read later than that."""
        return bool(self._forgotten_ms) and since_of(record) < self._forgotten_ms.get(hash(user_id), 0)

    def _drop(self, user_id: str) -> None:
        self._held_bytes -= len(self._held.pop(user_id, b""))

    def _hold(self, user_id: str, value: bytes) -> None:
        self._drop(user_id)
        self._held[user_id] = value
        self._held_bytes += len(value)
        while len(self._held) > self._max_held or self._held_bytes > HELD_LIST_BYTES:
            self._held_bytes -= len(self._held.popitem(last=False)[1])

    def take_words(self, records: Sequence[ConsumerRecord]) -> None:
        """Take messages of `explanations`."""
        for record in records:
            user_id = (record.key or b"").decode(errors="replace")
            channel = user_channel(user_id)
            if not self._hub.has_followers(channel) or self._is_void(user_id, record):
                continue
            try:
                words = decode_value(record.value or b"", EXPLANATIONS)
            except BadInputError:
                continue
            self._hub.publish(channel, "words", _shown_words(words))

    def _shown(self, made: Recommendation, received_s: float | None) -> dict[str, Any]:
        # Of words that were not asked here, only that there are some is known.
        published, asked = self._published.pop(made.cause.id, None), None if made.query else ""
        latency_ms = None
        if published is not None:
            published_s, asked = published
        if published is not None and received_s is not None:
            latency_ms = round(1_000 * (received_s - published_s), 2)
            if made.cause.kind == "event":
                self.latencies_ms.append(latency_ms)
        items = made.items[:SHOWN_ITEMS]
        named = {one.item_id for one in items}
        named |= {reason.item_id for one in items for reason in one.reasons if reason.item_id is not None}
        known = self._catalogue.shown(named)
        return {
            "recommendation_id": made.recommendation_id,
            "user_id": made.user_id,
            "profile_version": made.profile_version,
            "cause": {"kind": made.cause.kind, "id": made.cause.id},
            "latency_ms": latency_ms,
            "generated_at": made.generated_at,
            "model": made.model,
            "arm": made.arm,
            "complete": made.complete,
            "shortfall": made.shortfall,
            "stale": made.stale,
            "asked": asked,
            "query": made.query,
            "items": [
                {
                    "item": known.get(one.item_id) or {"item_id": one.item_id, "title": "", "media": []},
                    "score": one.score,
                    "reasons": [_shown_reason(reason, known) for reason in one.reasons],
                }
                for one in items
            ],
        }


def _shown_reason(reason: Reason, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    other = known.get(reason.item_id or "")
    return {
        "kind": reason.kind,
        "contribution": reason.contribution,
        "modality": reason.modality,
        "action": reason.action,
        "item_id": reason.item_id,
        "title": other["title"] if other else "",
    }


def _shown_words(words: Explanation) -> dict[str, Any]:
    return {
        "recommendation_id": words.recommendation_id,
        "language": words.language,
        "generator": words.generator,
        "grounded": words.grounded,
        "texts": {one.item_id: one.text for one in words.items},
    }
