"""The public messages: what users publish and consume as JSON. A contract; see docs/contract.

Unknown fields are ignored, so that an older reader takes a newer message.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from msgspec import Meta

from streams.errors import DeadLetterReason
from streams.fields import (
    ActionName,
    AttributeName,
    Attributes,
    AttributeText,
    Context,
    Description,
    Detail,
    EncoderName,
    Id,
    Integer,
    MediaKind,
    MediaType,
    Message,
    Modality,
    Title,
    Uri,
    UtcTime,
)
from streams.model_messages import ModelMessage

MAX_LIST_COUNT = 500
DEFAULT_LIST_COUNT = 20


class Media(Message, frozen=True, kw_only=True, omit_defaults=True):
    """One picture, sound or film of an item: by ``uri``, or inline as base64 in ``data``."""

    kind: MediaKind
    uri: Uri | None = None
    data: str | None = None
    media_type: MediaType | None = None

    def check(self) -> None:
        """Exactly one of ``uri`` and ``data`` is there."""
        if (self.uri is None) == (self.data is None):
            raise ValueError("media needs exactly one of `uri` and `data`")


class CallerVector(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A vector that the publisher computed with a registered encoder."""

    encoder: EncoderName
    values: Annotated[list[float], Meta(min_length=1, max_length=16_384)]

    def check(self) -> None:
        """Every number is finite."""
        if not all(map(math.isfinite, self.values)):
            raise ValueError("`values` must be finite numbers")


class Item(Message, frozen=True, kw_only=True, omit_defaults=True):
    """Something that can be recommended. A null Kafka value withdraws it."""

    item_id: Id
    title: Title = ""
    description: Description = ""
    media: Annotated[list[Media], Meta(max_length=64)] = []
    attributes: Attributes = {}
    vectors: dict[Modality, CallerVector] = {}
    available: bool = True
    created_at: UtcTime | None = None

    def check(self) -> None:
        """Numbers among the attributes are finite."""
        for name, value in self.attributes.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"attribute `{name}` must be a finite number")


class Event(Message, frozen=True, kw_only=True, omit_defaults=True):
    """Something that a person did with an item."""

    event_id: Id
    user_id: Id
    item_id: Id
    action: ActionName
    occurred_at: UtcTime
    value: float | None = None
    session_id: Id | None = None
    recommendation_id: Id | None = None
    context: Context = {}

    def check(self) -> None:
        """``value`` is finite."""
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError("`value` must be a finite number")


class Range(Message, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A numeric filter, both ends included."""

    min: float | None = None
    max: float | None = None

    def check(self) -> None:
        """At least one end is there."""
        if self.min is None and self.max is None:
            raise ValueError("a range needs `min` or `max`")


Scalar = bool | Integer | float | AttributeText
FilterValue = Scalar | Annotated[list[Scalar], Meta(max_length=1_024)] | Range
ItemIds = Annotated[list[Id], Meta(max_length=10_000)]


class RecommendationRequest(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A person's page asks for a list. Each request gets exactly one answer."""

    request_id: Id
    user_id: Id
    count: Annotated[int, Meta(ge=1, le=MAX_LIST_COUNT)] = DEFAULT_LIST_COUNT
    seed_items: Annotated[list[Id], Meta(max_length=100)] = []
    after_event_id: Id | None = None
    deadline: UtcTime | None = None
    candidates: ItemIds | None = None
    exclude: ItemIds = []
    filter: Annotated[dict[AttributeName, FilterValue], Meta(max_length=64)] = {}
    query: Annotated[str, Meta(max_length=4_096)] | None = None
    explain: bool = False
    refine: bool = False
    context: Context = {}


class Reason(Message, frozen=True, kw_only=True, omit_defaults=True):
    """One part of a score. The contributions of an item's reasons sum to its score."""

    kind: Annotated[str, Meta(min_length=1, max_length=64)]
    contribution: float
    item_id: Id | None = None
    modality: Modality | None = None
    action: ActionName | None = None


class RecommendedItem(Message, frozen=True, kw_only=True, omit_defaults=True):
    """An item of a list, with why it is there.

    ``propensity`` is the probability with which the policy that explores puts this item at this place,
    given the places before it; None where nothing is left to chance.
    """

    item_id: Id
    score: float
    reasons: list[Reason]
    propensity: Annotated[float, Meta(gt=0, le=1)] | None = None

    def check(self) -> None:
        """Contributions sum to the score within 1e-6 · max(1, |score|)."""
        total = math.fsum(reason.contribution for reason in self.reasons)
        if not abs(total - self.score) <= 1e-6 * max(1.0, abs(self.score)):
            raise ValueError(f"reasons sum to {total!r}, the score is {self.score!r}")


class Cause(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What a list answers: an event, or a request."""

    kind: Literal["event", "request"]
    id: Id


class QueryAnswer(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What became of the words that a request asks in.

    ``negations`` is ``unsupported`` where the words say what is not wanted, and nothing could tell it apart:
    the list may hold it.
    """

    used: bool
    negations: Literal["none", "heeded", "unsupported"] = "none"
    detail: Detail | None = None


class Recommendation(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A list for a person, best first.

    ``profile_version`` counts the events that the list knows; ``complete`` is false, and ``shortfall``
    says why, where fewer items than asked for could be served. ``stale`` is true where the answer went
    out before ``after_event_id`` was applied. ``experiment`` and ``arm`` say which settings made it.
    ``explain`` is true where the request asked for words. ``query`` says what became of the words that it
    asked in.
    """

    recommendation_id: Id
    user_id: Id
    profile_version: Annotated[int, Meta(ge=0)]
    cause: Cause
    items: list[RecommendedItem]
    model: str
    generated_at: UtcTime
    complete: bool
    shortfall: Detail | None = None
    stale: bool = False
    experiment: Id | None = None
    arm: Id | None = None
    explain: bool = False
    query: QueryAnswer | None = None


class Outcome(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What a person did with an item of a list that they were shown: once for each event.

    ``position`` counts from 1. ``matched_by`` says how event and list were brought together: by the
    event's ``recommendation_id``, or by user, item and time where the event has none.
    """

    recommendation_id: Id
    user_id: Id
    item_id: Id
    position: Annotated[int, Meta(ge=1)]
    event_id: Id
    action: ActionName
    weight: float
    occurred_at: UtcTime
    shown_at: UtcTime
    model: str
    matched_by: Literal["recommendation_id", "item"]
    propensity: Annotated[float, Meta(gt=0, le=1)] | None = None
    experiment: Id | None = None
    arm: Id | None = None


class ExplainedItem(Message, frozen=True, kw_only=True, omit_defaults=True):
    """Words for one item of a list."""

    item_id: Id
    text: Annotated[str, Meta(max_length=4_096)]


class Explanation(Message, frozen=True, kw_only=True, omit_defaults=True):
    """Words for a list: why these items."""

    recommendation_id: Id
    user_id: Id
    items: list[ExplainedItem]
    language: Annotated[str, Meta(min_length=2, max_length=35)]
    generator: str
    grounded: bool
    generated_at: UtcTime


class Erasure(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A person asks to be forgotten."""

    user_id: Id
    requested_at: UtcTime


class Removal(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What was removed in one place."""

    place: str
    records: Annotated[int, Meta(ge=0)]
    role: str = ""


class ErasureReceipt(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What was removed where, and by when topics have let go of the rest. ``user`` is a keyed hash.

    ``not_attributable`` says what the person contributed to and cannot be taken out of; ``without_expiry``
    names topics whose configuration keeps records for ever.
    """

    user: Id
    requested_at: UtcTime
    completed_at: UtcTime
    removed: list[Removal]
    expires_at: dict[str, UtcTime] = {}
    without_expiry: list[str] = []
    not_attributable: list[str] = []


class DeadLetterSource(Message, frozen=True, kw_only=True, omit_defaults=True):
    """Where the message that could not be processed came from."""

    topic: str
    partition: Annotated[int, Meta(ge=0)]
    offset: Annotated[int, Meta(ge=0)]
    key: str | None = None


class DeadLetter(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A message that could not be processed, with the reason; one a message and stage."""

    source: DeadLetterSource
    stage: Annotated[str, Meta(min_length=1, max_length=64)]
    reason: DeadLetterReason
    detail: Detail
    attempts: Annotated[int, Meta(ge=1)]
    failed_at: UtcTime
    payload: str | None = None


PublicMessage = (
    Item
    | Event
    | RecommendationRequest
    | Recommendation
    | Outcome
    | Explanation
    | ModelMessage
    | Erasure
    | ErasureReceipt
    | DeadLetter
)

JsonObject = dict[str, Any]
