"""Every topic as data: name, key, value, partitions, retention, who writes and who reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from streams import examples
from streams.examples import Example
from streams.fields import Message
from streams.internal_messages import FeatureMessage, ItemVector, LearnedPart, ProfileChanged
from streams.keys import (
    ACTIVE_MODEL_KEY,
    ACTIVE_USER_MODEL_PREFIX,
    REFUSED_SUFFIX,
    WANTED_MODEL_KEY,
    WANTED_USER_MODEL_PREFIX,
    feature_key,
    model_key,
)
from streams.messages import (
    DeadLetter,
    Erasure,
    ErasureReceipt,
    Event,
    Explanation,
    Item,
    Outcome,
    Recommendation,
    RecommendationRequest,
)
from streams.model_messages import ModelMessage

MAX_MESSAGE_BYTES = 8 << 20
# A declared item holds an item's text and attributes again, beside its version: a little larger.
MAX_INTERNAL_MESSAGE_BYTES = 10 << 20
# What a producer must accept to publish any message: the largest, with the record's own overhead.
MAX_REQUEST_BYTES = MAX_INTERNAL_MESSAGE_BYTES + (64 << 10)

# Those that depend on which model is active.
MODEL_FOLLOWERS = ("fuse", "recommend", "learn", "explain")

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, kw_only=True)
class Topic(Generic[M]):
    """A topic of the contract.

    Attributes:
        name: Without the prefix; `item-vectors` takes a space id after a further dot.
        key: What the Kafka key is, in words.
        key_of: The key of a message, as text.
        key_field: The value's field that the key must equal, where there is one.
        value_type: A message type, or a union of tagged ones.
        nullable: A null value is a withdrawal, and valid.
        partitions: Topics keyed by user have one number of partitions, likewise those keyed by item.
        cleanup: Kafka's `cleanup.policy`. Never both: an item that nobody republishes must not expire.
        min_compaction_lag_hours: For so long Kafka keeps every record of a compacted topic, for those who
            read more in it than the newest of each key.
        retention_factor: Of a topic that is not compacted: it is kept so many times as long as others.
        log_append_time: Kafka's own clock gives the timestamp. So wherever users write: it bounds what a
            wrong `occurred_at` can do, and orders an item's messages across partitions.
        followed_by: Those of ``read_by`` whose every worker reads the whole topic, outside their group.
        max_value_bytes: A larger value is refused as `invalid`.
    """

    name: str
    key: str
    key_of: Callable[[M], str | None]
    key_field: str | None = None
    value_type: Any
    nullable: bool = False
    encoding: Literal["json", "msgpack"] = "json"
    partitions: Literal["user", "item", "single"]
    cleanup: Literal["compact", "delete"]
    min_compaction_lag_hours: float = 0.0
    retention_factor: float = 1.0
    log_append_time: bool = False
    max_value_bytes: int = MAX_MESSAGE_BYTES
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    followed_by: tuple[str, ...] = ()
    description: str
    examples: tuple[Example, ...]

    @property
    def is_personal(self) -> bool:
        """Whether its records say whom they are about."""
        return self.partitions == "user" or self.name == "dead-letters"

    @property
    def max_message_bytes(self) -> int:
        """Kafka's `max.message.bytes`."""
        return MAX_MESSAGE_BYTES if self.encoding == "json" else MAX_INTERNAL_MESSAGE_BYTES


ITEMS: Topic[Item] = Topic(
    name="items",
    key="item_id",
    key_of=lambda item: item.item_id,
    key_field="item_id",
    value_type=Item,
    nullable=True,
    partitions="item",
    cleanup="compact",
    log_append_time=True,
    written_by=("you",),
    read_by=("text", "image", "audio", "video"),
    description="What there is to recommend. The whole item each time; a null value withdraws it. The topic "
    "is compacted, so Kafka refuses an item without a key.",
    examples=examples.ITEMS,
)
EVENTS: Topic[Event] = Topic(
    name="events",
    key="user_id",
    key_of=lambda event: event.user_id,
    key_field="user_id",
    value_type=Event,
    partitions="user",
    cleanup="delete",
    log_append_time=True,
    written_by=("you",),
    read_by=("profile",),
    description="What people do. Each `event_id` has one effect among a user's last 256 events.",
    examples=examples.EVENTS,
)
RECOMMENDATION_REQUESTS: Topic[RecommendationRequest] = Topic(
    name="recommendation-requests",
    key="user_id",
    key_of=lambda request: request.user_id,
    key_field="user_id",
    value_type=RecommendationRequest,
    partitions="user",
    cleanup="delete",
    log_append_time=True,
    written_by=("you",),
    read_by=("recommend",),
    description="A page asks for a list. Each request gets exactly one kind of answer.",
    examples=examples.RECOMMENDATION_REQUESTS,
)
RECOMMENDATIONS: Topic[Recommendation] = Topic(
    name="recommendations",
    key="user_id",
    key_of=lambda recommendation: recommendation.user_id,
    key_field="user_id",
    value_type=Recommendation,
    partitions="user",
    cleanup="delete",
    written_by=("recommend",),
    read_by=("you", "join", "explain"),
    description="Lists, best first, each naming the event or the request that caused it.",
    examples=examples.RECOMMENDATIONS,
)
OUTCOMES: Topic[Outcome] = Topic(
    name="outcomes",
    key="user_id",
    key_of=lambda outcome: outcome.user_id,
    key_field="user_id",
    value_type=Outcome,
    partitions="user",
    cleanup="delete",
    written_by=("join",),
    read_by=("you", "join"),
    followed_by=("join",),
    description="What people did with the items of their lists, each event once.",
    examples=examples.OUTCOMES,
)
EXPLANATIONS: Topic[Explanation] = Topic(
    name="explanations",
    key="user_id",
    key_of=lambda explanation: explanation.user_id,
    key_field="user_id",
    value_type=Explanation,
    partitions="user",
    cleanup="delete",
    written_by=("explain",),
    read_by=("you",),
    description="Words for the items of a list.",
    examples=examples.EXPLANATIONS,
)
MODELS: Topic[Any] = Topic(
    name="models",
    key=f"`name@version`; `{WANTED_MODEL_KEY}` and `{ACTIVE_MODEL_KEY}` for the pointers; "
    f"`{WANTED_USER_MODEL_PREFIX}SPACE` and `{ACTIVE_USER_MODEL_PREFIX}SPACE` for those of user models; "
    f"`name@version{REFUSED_SUFFIX}`",
    key_of=model_key,
    value_type=ModelMessage,
    nullable=True,
    partitions="single",
    cleanup="compact",
    written_by=("you", "fuse", "recommend"),
    read_by=("you", *MODEL_FOLLOWERS),
    followed_by=MODEL_FOLLOWERS,
    description="Bundles of models. You announce one and say which is wanted; workers get ready for it, move "
    "the one pointer that says which is active, or say why a bundle is refused. The same goes for user "
    "models, with a pointer for each vector space.",
    examples=examples.MODELS,
)
ERASURES: Topic[Erasure] = Topic(
    name="erasures",
    key="user_id",
    key_of=lambda erasure: erasure.user_id,
    key_field="user_id",
    value_type=Erasure,
    partitions="user",
    cleanup="delete",
    log_append_time=True,
    # Longer than anything that it makes void.
    retention_factor=2.0,
    written_by=("you",),
    read_by=("profile", "recommend", "learn", "join", "explain"),
    followed_by=("recommend", "learn", "join", "explain"),
    description="People who ask to be forgotten.",
    examples=examples.ERASURES,
)
ERASURE_RECEIPTS: Topic[ErasureReceipt] = Topic(
    name="erasure-receipts",
    key="keyed hash of the user_id",
    key_of=lambda receipt: receipt.user,
    key_field="user",
    value_type=ErasureReceipt,
    partitions="single",
    cleanup="delete",
    written_by=("profile",),
    read_by=("you",),
    description="What was removed where, and by when time-retained topics expire.",
    examples=examples.ERASURE_RECEIPTS,
)
DEAD_LETTERS: Topic[DeadLetter] = Topic(
    name="dead-letters",
    key="key of the source message, or none",
    key_of=lambda letter: letter.source.key,
    value_type=DeadLetter,
    partitions="single",
    cleanup="delete",
    written_by=("every role",),
    read_by=("you",),
    description="Messages that could not be processed; one a message and stage, deduplicate by `source`.",
    examples=examples.DEAD_LETTERS,
)
ITEM_FEATURES: Topic[Any] = Topic(
    name="item-features",
    key="`[item_id, modality, encoder]`, or `[item_id]`; partitioned by the item alone",
    key_of=feature_key,
    value_type=FeatureMessage,
    nullable=True,
    encoding="msgpack",
    partitions="item",
    cleanup="compact",
    max_value_bytes=MAX_INTERNAL_MESSAGE_BYTES,
    written_by=("text", "image", "audio", "video"),
    read_by=("fuse",),
    description="What an item says without its media, and the vector of each modality.",
    examples=examples.ITEM_FEATURES,
)
ITEM_VECTORS: Topic[ItemVector] = Topic(
    name="item-vectors",
    key="item_id",
    key_of=lambda vector: vector.item_id,
    key_field="item_id",
    value_type=ItemVector,
    nullable=True,
    encoding="msgpack",
    partitions="item",
    cleanup="compact",
    max_value_bytes=MAX_INTERNAL_MESSAGE_BYTES,
    written_by=("fuse",),
    read_by=("recommend", "learn", "explain"),
    followed_by=("recommend", "learn", "explain"),
    description="Items as the index holds them: fused vector, attributes, availability. One topic a space.",
    examples=examples.ITEM_VECTORS,
)
PROFILES: Topic[ProfileChanged] = Topic(
    name="profiles",
    key="user_id",
    key_of=lambda profile: profile.user_id,
    key_field="user_id",
    value_type=ProfileChanged,
    nullable=True,
    encoding="msgpack",
    partitions="user",
    cleanup="compact",
    min_compaction_lag_hours=12.0,
    max_value_bytes=MAX_INTERNAL_MESSAGE_BYTES,
    written_by=("profile",),
    read_by=("recommend", "learn", "join"),
    followed_by=("learn",),
    description="People's histories after each batch of events, and the events themselves.",
    examples=examples.PROFILES,
)
LEARNED: Topic[LearnedPart] = Topic(
    name="learned",
    key="`model`, and `:part`",
    key_of=lambda learned: f"{learned.model}:{learned.part}",
    value_type=LearnedPart,
    encoding="msgpack",
    partitions="single",
    cleanup="compact",
    max_value_bytes=MAX_INTERNAL_MESSAGE_BYTES,
    written_by=("learn",),
    read_by=("recommend", "learn"),
    followed_by=("recommend",),
    description="What is learned across people: weights of the ranker, models of candidate sources.",
    examples=examples.LEARNED,
)

TOPICS: tuple[Topic[Any], ...] = (
    ITEMS,
    EVENTS,
    RECOMMENDATION_REQUESTS,
    RECOMMENDATIONS,
    OUTCOMES,
    EXPLANATIONS,
    MODELS,
    ERASURES,
    ERASURE_RECEIPTS,
    DEAD_LETTERS,
    ITEM_FEATURES,
    ITEM_VECTORS,
    PROFILES,
    LEARNED,
)
