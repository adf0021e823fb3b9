"""What each role counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from time import perf_counter, thread_time
from typing import Literal

from streams.errors import DeadLetterReason
from streams.fields import Modality
from streams.metrics import LIST_SECONDS_BUCKETS, RECORDS_BUCKETS, counter, gauge, histogram

EffectKind = Literal["applied", "duplicate", "already_applied"]

_MODALITY = ("modality",)

ENCODED = counter("freshet_encoded_total", "items", "Items whose modality was encoded.", _MODALITY)
UNCHANGED = counter(
    "freshet_encode_unchanged_total",
    "items",
    "Items published again whose content had not changed: the stored vector was taken.",
    _MODALITY,
)
ENCODE_FAILED = counter(
    "freshet_encode_failed_total",
    "items",
    "Items whose modality could not be encoded, by dead-letter reason.",
    ("modality", "reason"),
)
ENCODE_BATCH_SIZE = histogram(
    "freshet_encode_batch_items",
    "items",
    "Inputs in each run of the encoder's network.",
    _MODALITY,
    RECORDS_BUCKETS,
)
ENCODE_BATCH_SECONDS = histogram(
    "freshet_encode_batch_seconds", "seconds", "Time of each run of the encoder's network.", _MODALITY
)

VECTORS_PUBLISHED = counter(
    "freshet_vectors_published_total", "items", "Fused vectors published; an item counts at each revision."
)
VECTORS_WITHDRAWN = counter(
    "freshet_vectors_withdrawn_total", "items", "Items withdrawn from the vectors' topic."
)

EFFECTS = counter(
    "freshet_profile_events_total",
    "events",
    "Valid events by effect: applied, duplicate (event_id seen among the user's last), already_applied "
    "(told by its source position), forgotten (from before the person's erasure).",
    ("effect",),
)
EVENTS_REFUSED = counter(
    "freshet_events_refused_total", "events", "Events that became dead letters, by reason.", ("reason",)
)
TIMES_CLAMPED = counter(
    "freshet_event_times_clamped_total",
    "events",
    "Events whose occurred_at lay too far after Kafka's timestamp, which was taken instead.",
)
CONFLICTS = counter(
    "freshet_state_conflicts_total",
    "batches",
    "Batches planned again because another worker had changed the same state.",
    ("role",),
)

LISTS = counter("freshet_lists_total", "lists", "Lists published, by kind of cause.", ("cause",))
COALESCED = counter(
    "freshet_causes_coalesced_total",
    "events",
    "Profile changes without a list of their own: a newer one of the same person covers them.",
)
STALE = counter(
    "freshet_lists_stale_total", "lists", "Answers that went out before after_event_id was applied."
)
SHORT = counter("freshet_lists_short_total", "lists", "Lists with fewer items than asked for.")
REQUESTS_REFUSED = counter(
    "freshet_requests_refused_total", "requests", "Requests that became dead letters, by reason.", ("reason",)
)
QUERIES = counter(
    "freshet_queries_total",
    "requests",
    "Answered requests that ask in words, by whether the words counted, and by what became of negations: "
    "none, heeded, unsupported.",
    ("used", "negations"),
)
LIST_SECONDS = histogram(
    "freshet_list_seconds",
    "seconds",
    "Time to make one list: candidates, scores, re-ranking, reasons.",
    buckets=LIST_SECONDS_BUCKETS,
)
LIST_PROCESSOR_SECONDS = histogram(
    "freshet_list_processor_seconds",
    "seconds",
    "Processor time to make one list: what it takes apart from waiting for a core.",
    buckets=LIST_SECONDS_BUCKETS,
)
OBSERVE_SECONDS = histogram(
    "freshet_observe_seconds",
    "seconds",
    "Time to take one event of anybody into what the cascade knows.",
    buckets=LIST_SECONDS_BUCKETS,
)
LIST_LATENCY = histogram(
    "freshet_cause_to_list_seconds",
    "seconds",
    "From Kafka's timestamp of the event or the request until Kafka has acknowledged its list.",
    ("cause",),
)
INDEX_ITEMS = gauge("freshet_index_items", "items", "Items in the recommend worker's index.")

INTERACTIONS = gauge(
    "freshet_interactions_applied",
    "events",
    "Events of all people that this worker has taken in since its start, those of its start left out.",
)
LEARNED_STEP = gauge(
    "freshet_learned_step",
    "events",
    "Events that the model now in use was learned from, by model.",
    ("model",),
)
LEARN_LOSS = histogram(
    "freshet_learn_loss",
    "nats",
    "Negative log-likelihood of what a person did, before it was learned.",
    buckets=(0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0, 10.0),
)
LEARN_DRIFT = counter(
    "freshet_learn_drift_total",
    "alarms",
    "Times that the ranker had drifted and the last good weights came back.",
)
REFIT_SECONDS = histogram(
    "freshet_refit_seconds", "seconds", "Time to train models of candidate sources anew."
)


class EncodeMetrics:
    """Of one encode role."""

    def __init__(self, modality: Modality) -> None:
        self._modality = modality
        self._encoded = ENCODED.labels(modality)
        self._unchanged = UNCHANGED.labels(modality)
        self._batch_size = ENCODE_BATCH_SIZE.labels(modality)
        self._batch_seconds = ENCODE_BATCH_SECONDS.labels(modality)

    def encoded(self) -> None:
        """An item's modality was encoded."""
        self._encoded.inc()

    def unchanged(self) -> None:
        """The content had not changed: nothing was encoded."""
        self._unchanged.inc()

    def failed(self, reason: DeadLetterReason) -> None:
        """An item's modality cannot be encoded."""
        ENCODE_FAILED.labels(self._modality, reason).inc()

    def batch(self, size: int, seconds: float) -> None:
        """The network ran once, on ``size`` inputs."""
        self._batch_size.observe(size)
        self._batch_seconds.observe(seconds)


class FuseMetrics:
    """Of the fuse role."""

    def published(self, items: int = 1) -> None:
        """So many fused vectors were published."""
        VECTORS_PUBLISHED.inc(items)

    def withdrawn(self, items: int = 1) -> None:
        """So many items were withdrawn."""
        VECTORS_WITHDRAWN.inc(items)

    def conflict(self) -> None:
        """A batch is planned again, as another worker changed the same state."""
        CONFLICTS.labels("fuse").inc()


class ProfileMetrics:
    """Of the profile role."""

    def effects(self, kind: EffectKind, events: int = 1) -> None:
        """So many valid events, and what became of them."""
        EFFECTS.labels(kind).inc(events)

    def refused(self, reason: DeadLetterReason) -> None:
        """An event became a dead letter."""
        EVENTS_REFUSED.labels(reason).inc()

    def clamped(self, events: int = 1) -> None:
        """So many events came from the future, and count as of Kafka's timestamp."""
        TIMES_CLAMPED.inc(events)

    def dropped(self, events: int) -> None:
        """So many events are of people who asked to be forgotten after them."""
        EFFECTS.labels("forgotten").inc(events)

    def conflict(self) -> None:
        """A batch is planned again, as another worker changed the same state."""
        CONFLICTS.labels("profile").inc()


class RecommendMetrics:
    """Of the recommend role."""

    @contextmanager
    def time_lists(self, lists: int) -> Iterator[None]:
        """Times the making of so many lists in one pass; each counts with its share."""
        started, processor_started = perf_counter(), thread_time()
        yield
        # All of it is made in this thread.
        processor_s = (thread_time() - processor_started) / max(1, lists)
        seconds = (perf_counter() - started) / max(1, lists)
        for _ in range(lists):
            LIST_SECONDS.observe(seconds)
            LIST_PROCESSOR_SECONDS.observe(processor_s)

    def event_answered(self, published_at: datetime, now: datetime) -> None:
        """An event's list is published; ``published_at`` is Kafka's timestamp of the event."""
        self._answered("event", published_at, now)

    def request_answered(self, asked_at: datetime, now: datetime, *, stale: bool) -> None:
        """A request's list is published; ``asked_at`` is Kafka's timestamp of the request."""
        self._answered("request", asked_at, now)
        if stale:
            STALE.inc()

    def asked(self, *, used: bool, negations: str) -> None:
        """A request that asks in words was answered."""
        QUERIES.labels(str(used).lower(), negations).inc()

    def coalesced(self, events: int) -> None:
        """So many profile changes are covered by newer ones."""
        COALESCED.inc(events)

    def short(self) -> None:
        """A list has fewer items than were asked for."""
        SHORT.inc()

    def refused(self, reason: DeadLetterReason) -> None:
        """A request became a dead letter."""
        REQUESTS_REFUSED.labels(reason).inc()

    def index_items(self, items: int) -> None:
        """The index holds so many items."""
        INDEX_ITEMS.set(items)

    @contextmanager
    def time_observe(self) -> Iterator[None]:
        """Times the taking in of one event."""
        with OBSERVE_SECONDS.time():
            yield

    def applied(self, events: int) -> None:
        """So many events of all people were taken in."""
        INTERACTIONS.set(events)

    def learned(self, model: str, steps: int) -> None:
        """A model is in use that was learned from so many events."""
        LEARNED_STEP.labels(model).set(steps)

    def _answered(self, cause: Literal["event", "request"], since: datetime, now: datetime) -> None:
        LISTS.labels(cause).inc()
        # Two machines' clocks may differ by more than a list takes.
        LIST_LATENCY.labels(cause).observe(max(0.0, (now - since).total_seconds()))


class LearnMetrics:
    """Of the learn role."""

    def learned(self, loss: float | None, *, fell_back: bool) -> None:
        """An event was learned from; ``loss`` is None where it could teach nothing."""
        if loss is not None:
            LEARN_LOSS.observe(loss)
        if fell_back:
            LEARN_DRIFT.inc()

    def applied(self, events: int) -> None:
        """So many events were taken in."""
        INTERACTIONS.set(events)

    def published(self, model: str, steps: int) -> None:
        """A model is published that was learned from so many events."""
        LEARNED_STEP.labels(model).set(steps)

    def refitted(self, seconds: float) -> None:
        """Models of sources were trained anew."""
        REFIT_SECONDS.observe(seconds)
