"""What a loop finds in its topic: a backlog for each kind of work, made up and seeded."""

from __future__ import annotations

import base64
import random
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain

import numpy as np

from models.profile import ProfileEvent, apply_events, encode_profile, new_profile
from streams.codec import encode
from streams.fields import Modality
from streams.internal_messages import (
    AppliedEvent,
    EventCause,
    ItemDeclared,
    ItemFeature,
    ItemVersion,
    ProfileChanged,
)
from streams.keys import feature_key, partition_of
from streams.messages import (
    Cause,
    Item,
    Media,
    Reason,
    Recommendation,
    RecommendationRequest,
    RecommendedItem,
)
from streams.producer import Publisher
from streams.records import Outgoing
from streams.settings import Settings
from streams.topic_names import TopicNames
from workers.bench import learning
from workers.bench.catalogue import World
from workers.bench.media_samples import MAKERS, title
from workers.encoders_in_use import encoder_registry, encoders_in_use, fusion_in_use
from workers.model_settings import transition_settings
from workers.state.profile import profile_key
from workers.state.redis_store import RedisStateStore
from workers.state.store import MISSING, StateChange, Write, pack_version

PEOPLE = 2_000
ITEMS = 10_000
HISTORY = 50
_AT_ONCE = 1_000
_PROFILES_AT_ONCE = 200

Named = Callable[[str, int], str]
"""What something is of, and its number → its id."""


async def publish(settings: Settings, records: Iterable[Outgoing]) -> int:
    """Publish all, and return how many these were."""
    count = 0
    async with Publisher(settings) as publisher:
        for part in _parts(records):
            await publisher.publish(part)
            count += len(part)
    return count


def _parts(records: Iterable[Outgoing]) -> Iterator[list[Outgoing]]:
    """A thousand at a time, or four megabytes."""
    part: list[Outgoing] = []
    size_bytes = 0
    for record in records:
        part.append(record)
        size_bytes += len(record.value or b"")
        if len(part) == _AT_ONCE or size_bytes > 4 << 20:
            yield part
            part, size_bytes = [], 0
    if part:
        yield part


def events(topic: str, count: int) -> Iterator[Outgoing]:
    """Clicks of about 150 bytes, by `PEOPLE` people on `ITEMS` items, ten minutes ago."""
    chance = random.Random(3)
    begin = datetime.now(UTC) - timedelta(minutes=30)
    for number in range(count):
        user_id = f"person-{chance.randrange(PEOPLE)}"
        yield Outgoing(
            topic,
            user_id.encode(),
            (
                f'{{"event_id":"event-{number:08}","user_id":"{user_id}","item_id":"item-{chance.randrange(ITEMS)}",'
                f'"action":"click","occurred_at":"{(begin + timedelta(milliseconds=number)).isoformat()}"}}'
            ).encode(),
        )


async def fill(work: str, settings: Settings, count: int) -> int:
    """Fill the topics that a kind of work reads, and the state that it finds; how many records it reads."""
    topics = TopicNames(settings.topics.prefix)
    match work:
        case "in" | "one_in_one_out" | "profile":
            return await publish(settings, events(topics.events, count))
        case "text" | "image" | "audio" | "video":
            return await publish(settings, _items(topics, work, count))
        case "fuse":
            return await publish(settings, _features(topics, settings, count))
        case "recommend":
            return await _requests(topics, settings, count)
        case "explain":
            await _publish_items(topics, settings)
            return await publish(settings, _asked_for_words(topics, count))
        case "learn":
            await _publish_items(topics, settings)
            async with Publisher(settings) as publisher:
                await learning.nothing_learned(settings, topics, publisher)
            return await publish(settings, learning.changes(topics.profiles, settings, count, ITEMS))
        case "join":
            return await publish(settings, _lists_and_changes(topics, count))
        case _:
            raise ValueError(f"there is no backlog for `{work}`")


def _items(topics: TopicNames, modality: Modality, count: int) -> Iterator[Outgoing]:
    for number in range(count):
        item = Item(item_id=f"item-{number}", title=title(number))
        if modality != "text":
            data = base64.b64encode(MAKERS[modality](number)).decode()
            item = Item(item_id=f"item-{number}", media=[Media(kind=modality, data=data)])
        yield Outgoing(topics.items, item.item_id.encode(), encode(item))


def _features(topics: TopicNames, settings: Settings, count: int) -> Iterator[Outgoing]:
    encoder = encoders_in_use(settings)["text"]
    dimension = encoder_registry(settings).manifest(encoder).dimension
    chance = np.random.default_rng(5)
    for number in range(count // 2):
        item_id, version = f"item-{number}", ItemVersion(1, 0, number, 0)
        vector = chance.standard_normal(dimension).astype("<f4").tobytes()
        partition = partition_of(item_id, settings.topics.item_partitions)
        for message in (
            ItemDeclared(
                item_id=item_id,
                version=version,
                title=title(number),
                attributes={"category": "c1"},
                created_at=datetime.now(UTC),
                sources={"text": "hash"},
            ),
            ItemFeature(
                item_id=item_id,
                version=version,
                modality="text",
                encoder=encoder,
                source_hash="hash",
                content_hash="hash",
                vector=vector,
            ),
        ):
            yield Outgoing(topics.item_features, feature_key(message).encode(), encode(message), partition)


async def _requests(topics: TopicNames, settings: Settings, count: int) -> int:
    await _publish_items(topics, settings)
    await put_profiles(settings, count, HISTORY)
    return await publish(
        settings,
        (
            Outgoing(
                topics.recommendation_requests,
                f"person-{number}".encode(),
                encode(RecommendationRequest(request_id=f"r-{number}", user_id=f"person-{number}")),
            )
            for number in range(count)
        ),
    )


async def _publish_items(topics: TopicNames, settings: Settings) -> None:
    fusion = fusion_in_use(settings, encoder_registry(settings))
    await publish(settings, World(ITEMS, fusion.dimension, PEOPLE).vectors(topics.item_vectors(fusion.space)))


def short_id(kind: str, number: int) -> str:
    """About ten characters."""
    return f"{kind}-{number}"


def uuid_id(kind: str, number: int) -> str:
    """36 characters."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, short_id(kind, number)))


async def put_profiles(
    settings: Settings, people: int, history: int, items: int = ITEMS, named: Named = short_id
) -> None:
    """Store profiles as the profile role does, of people who clicked so many items, one an hour."""
    store = RedisStateStore(settings.redis, settings.topics.prefix)
    try:
        for begin in range(0, people, _PROFILES_AT_ONCE):
            numbers = range(begin, min(begin + _PROFILES_AT_ONCE, people))
            writes = [profile_write(settings, number, history, items, named) for number in numbers]
            await store.commit("bench", StateChange(writes=writes))
    finally:
        await store.aclose()


def profile_write(
    settings: Settings, number: int, history: int, items: int = ITEMS, named: Named = short_id
) -> Write:
    """The write that stores a stranger's profile after so many events."""
    chance = random.Random(number)
    user_id, now_ms = named("person", number), round(datetime.now(UTC).timestamp() * 1_000)
    clicks = [
        ProfileEvent(
            named(f"event-{number}", k),
            named("item", chance.randrange(items)),
            "click",
            now_ms - 3_600_000 * k,
        )
        for k in range(history)
    ]
    profile, _ = apply_events(new_profile(user_id), clicks, transition_settings(settings.profile))
    return Write(profile_key(user_id), MISSING, pack_version(profile.version) + encode_profile(profile))


def _asked_for_words(topics: TopicNames, count: int) -> Iterator[Outgoing]:
    """Lists of ten items with three reasons each that ask for words, each for somebody else."""
    chance, at = random.Random(6), datetime.now(UTC)
    for number in range(count):
        shown = Recommendation(
            recommendation_id=f"list-{number}",
            user_id=f"person-{number}",
            profile_version=1,
            cause=Cause(kind="request", id=f"request-{number}"),
            items=[
                RecommendedItem(
                    item_id=f"item-{item}",
                    score=1.0,
                    reasons=[
                        Reason(
                            kind="content",
                            contribution=0.6,
                            item_id=f"item-{chance.randrange(ITEMS)}",
                            action="click",
                        ),
                        Reason(kind="popularity", contribution=0.3),
                        Reason(kind="freshness", contribution=0.1),
                    ],
                )
                for item in chance.sample(range(ITEMS), 10)
            ],
            model="base.bench",
            generated_at=at,
            complete=True,
            explain=True,
        )
        yield Outgoing(topics.recommendations, shown.user_id.encode(), encode(shown))


def _lists_and_changes(topics: TopicNames, count: int) -> Iterator[Outgoing]:
    """Half lists of 20 items with five reasons each, half events; half of the events name their list."""
    chance = random.Random(5)
    start = datetime.now(UTC) - timedelta(minutes=30)
    return chain.from_iterable(
        _list_and_change(topics, number, start + timedelta(milliseconds=100 * number), chance)
        for number in range(count // 2)
    )


def _list_and_change(
    topics: TopicNames, number: int, at: datetime, chance: random.Random
) -> tuple[Outgoing, Outgoing]:
    user_id = f"person-{number % PEOPLE}"
    shown = Recommendation(
        recommendation_id=f"list-{number}",
        user_id=user_id,
        profile_version=number,
        cause=Cause(kind="request", id=f"request-{number}"),
        items=[
            RecommendedItem(
                item_id=f"item-{item}",
                score=1.0,
                reasons=[Reason(kind=f"kind-{part}", contribution=0.2) for part in range(5)],
            )
            for item in chance.sample(range(ITEMS), 20)
        ],
        model="base.bench",
        generated_at=at,
        complete=True,
    )
    did = at + timedelta(seconds=1)
    event = AppliedEvent(
        event_id=f"event-{number}",
        item_id=shown.items[number % 20].item_id,
        action="click",
        weight=1.0,
        occurred_at=did,
        recommendation_id=shown.recommendation_id if number % 2 else None,
    )
    changed = ProfileChanged(
        user_id=user_id,
        version=number,
        cause=EventCause(event_id=event.event_id, occurred_at=did, published_at=did),
        state=b"s" * 2_000,
        applied=[event],
    )
    key = user_id.encode()
    return (
        Outgoing(topics.recommendations, key, encode(shown)),
        Outgoing(topics.profiles, key, encode(changed)),
    )
