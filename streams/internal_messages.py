"""Messages between roles, as MessagePack. Not a contract with users; versioned with the release."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from streams.fields import ActionName, Attributes, Context, Id, Message, Modality, UtcTime

MAX_WEIGHT = 1e6
"""Far beyond what settings allow an action."""


# It holds nothing that could hold it, and workers keep one an item: no work for the garbage collector.
class ItemVersion(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The source position of an item's message in ``items``.

    ``generation`` counts the lives of the topic: one deleted and created again starts a new generation.
    """

    generation: int
    partition: int
    offset: int
    timestamp_ms: int

    def is_newer_than(self, other: ItemVersion) -> bool:
        """Whether this message came after ``other``.

        Offsets order the messages of one partition. Messages of one item in two partitions (a producer
        that partitions otherwise, or partitions added) are ordered by Kafka's timestamp.
        """
        if self.generation != other.generation:
            return self.generation > other.generation
        if self.partition == other.partition:
            return self.offset > other.offset
        return (self.timestamp_ms, self.partition) > (other.timestamp_ms, other.partition)


class ItemDeclared(Message, frozen=True, kw_only=True, omit_defaults=True, tag="declared"):
    """What a valid message in ``items`` says, without the media. Written by the text role alone.

    ``sources`` holds a content hash for each modality that the item has: a feature counts only where
    its own hash is the declared one. ``enriched``: attributes hold what a language model says of the item.
    """

    item_id: Id
    version: ItemVersion
    withdrawn: bool = False
    title: str = ""
    attributes: Attributes = {}
    available: bool = True
    created_at: UtcTime | None = None
    sources: dict[Modality, str] = {}
    enriched: bool = False


class ItemFeature(Message, frozen=True, kw_only=True, omit_defaults=True, tag="feature"):
    """The vector of one modality of one item; ``vector`` is float32, little-endian.

    ``content_hash`` is that of the bytes behind ``source_hash``: they differ where media come by URI.
    """

    item_id: Id
    version: ItemVersion
    modality: Modality
    encoder: str
    source_hash: str
    content_hash: str
    vector: bytes


class ItemFeatureFailed(Message, frozen=True, kw_only=True, omit_defaults=True, tag="failed"):
    """This modality of this version could not be encoded: what an older version left is void."""

    item_id: Id
    version: ItemVersion
    modality: Modality
    encoder: str
    source_hash: str


FeatureMessage = ItemDeclared | ItemFeature | ItemFeatureFailed


class ItemVector(Message, frozen=True, kw_only=True, omit_defaults=True):
    """An item as recommend workers hold it.

    ``vector`` is float16, little-endian, of unit length, or None while no modality is known.
    ``revision`` grows with the changes of this item's state: readers ignore what is not newer than they have.
    """

    item_id: Id
    version: ItemVersion
    revision: int
    vector: bytes | None
    modalities: list[Modality]
    title: str = ""
    attributes: Attributes = {}
    available: bool = True
    created_at: UtcTime


class EventCause(Message, frozen=True, kw_only=True, omit_defaults=True):
    """The last event that a profile change covers."""

    event_id: Id
    occurred_at: UtcTime
    published_at: UtcTime
    kind: Literal["event"] = "event"


class AppliedEvent(Message, frozen=True, kw_only=True, omit_defaults=True):
    """An event that a profile covers, as it counts: time clamped, weight by its action's rule."""

    event_id: Id
    item_id: Id
    action: ActionName
    # MessagePack can hold NaN and infinities; a bound refuses both.
    weight: Annotated[float, Meta(ge=-MAX_WEIGHT, le=MAX_WEIGHT)]
    occurred_at: UtcTime
    recommendation_id: Id | None = None
    context: Context = {}


class ProfileChanged(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A user's profile after a batch of events; ``state`` is the encoded profile of `models.profile`.

    ``version`` counts the effects applied: readers ignore a version lower than one they have seen.
    ``applied`` holds the events of the batch, in the order in which they were applied. A reader that has
    seen an earlier version takes the last of them, as many as the version has grown by: after a crash
    events that were applied before may stand here again. ``since_ms`` is that of the profile: versions
    begin anew with it.
    """

    user_id: Id
    version: int
    cause: EventCause
    state: bytes
    applied: list[AppliedEvent] = []
    since_ms: int = 0


class LearnedPart(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A part of what was learned across people: parameters of the ranker, or of a source's model.

    ``epoch`` grows with each start of the one writer, ``step`` with each record that it learned from.
    Readers take a model once all ``parts`` of one (epoch, step) are there, and never an older one.
    ``payload`` is MessagePack of the model's own.
    """

    model: Id
    epoch: Annotated[int, Meta(ge=0)]
    step: Annotated[int, Meta(ge=0)]
    part: Annotated[int, Meta(ge=0)] = 0
    parts: Annotated[int, Meta(ge=1)] = 1
    learned_at: UtcTime
    payload: bytes
