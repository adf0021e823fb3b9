"""Part (f): bytes a person and an item, in Redis and in a recommend worker.

A person in Redis is what Redis's used memory grows by for each profile, stored as the profile role stores it,
with ids of ten characters or so and with UUIDs; the baseline is the JSON of the events that made it. With
all that is kept of a person beside the profile (their newest list, what they were shown) it is what the same
events leave behind in Redis once the profile, recommend and join role have worked on them, and by key what
Redis says that these take. An item in Redis is what it grows by for each item that
the text and fuse role have worked on; in a recommend worker, what its proportional set (PSS) grows by for
each item in the index. Their baseline is the bare vector, as float32. A person in a recommend worker is what
its proportional set grows by when people have twenty events each, with what the ranker keeps of the items
that these name; its baseline is again their JSON.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any, cast

import msgspec
import redis

from streams.codec import encode
from streams.errors import DefectError
from streams.messages import Event, Item
from streams.records import Outgoing
from streams.settings import load_settings
from streams.topic_names import TopicNames
from workers.bench.backlogs import Named, events, publish, put_profiles, short_id, uuid_id
from workers.bench.catalogue import World
from workers.bench.media_samples import title
from workers.bench.rows import Row, row
from workers.bench.run import Bench
from workers.bench.watching import totals, wait_until
from workers.encoders_in_use import encoder_registry, encoders_in_use, fusion_in_use
from workers.flags import merged
from workers.local_deployment import LocalDeployment

HISTORIES = (20, 100, 1_000)
IDS: dict[str, Named] = {"short": short_id, "UUID": uuid_id}
PERSON_KEYS = ("profile", "list", "exposures")
_LISTED_ITEMS = 1_000
EVENTS_A_PERSON = 20
_SETTLE_S = 3.0
_MEBIBYTE = 1 << 20


def measure(bench: Bench) -> list[Row]:
    """See the module."""
    rows = _people_in_redis(bench)
    rows += _people_with_all_keys(bench)
    rows += _items_in_redis(bench)
    for ranker in ("base", "cascade"):
        rows += _recommend_worker(bench, ranker)
    return rows


def _used(deployment: LocalDeployment) -> int:
    with redis.Redis.from_url(deployment.settings.redis.url.get_secret_value()) as client:
        return int(cast("dict[str, Any]", client.info("memory"))["used_memory"])


def _people_in_redis(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    with bench.deployment({}) as deployment:
        settings = deployment.settings
        for history, (ids, named) in product(HISTORIES, IDS.items()):
            people = bench.sized(tiny=50, short=5_000, long=1_000_000)
            # Made one event after the other, so of the longest histories fewer will do.
            people = max(20, people * EVENTS_A_PERSON // history)
            bench.say(f"  {people:,} people with {history} events each in Redis, ids {ids}")
            before = _used(deployment)
            prefix = f"h{history}{ids}."
            own = load_settings(
                bench.config,
                **merged(
                    deployment.flags,
                    {"redis": {"url": settings.redis.url.get_secret_value()}, "topics": {"prefix": prefix}},
                ),
            )
            asyncio.run(put_profiles(own, people, history, named=named))
            rows.append(
                row(
                    "person_in_redis",
                    (_used(deployment) - before) / people,
                    "bytes/person",
                    history * _json_bytes(named),
                    {"events_a_person": history, "people": people, "ids": ids},
                )
            )
    return rows


def _people_with_all_keys(bench: Bench) -> list[Row]:
    people = bench.sized(tiny=5, short=200, long=5_000)
    bench.say(f"  {people:,} people with lists and what they were shown in Redis")
    with bench.deployment({"profile": 1, "recommend": 1, "join": 1}) as deployment:
        settings = deployment.settings
        topics = TopicNames(settings.topics.prefix)
        fusion = fusion_in_use(settings, encoder_registry(settings))
        world = World(_LISTED_ITEMS, fusion.dimension, people)
        asyncio.run(publish(settings, world.vectors(topics.item_vectors(fusion.space))))

        def all_there() -> bool:
            return totals(deployment, "recommend").get("freshet_index_items", 0) >= _LISTED_ITEMS

        wait_until(deployment, "items in the index", all_there, 60.0)
        before = _used(deployment)
        with redis.Redis.from_url(settings.redis.url.get_secret_value()) as client:
            for number in range(1, EVENTS_A_PERSON + 1):
                asyncio.run(publish(settings, _one_click_each(topics.events, people, number)))

                def all_shown(wanted: int = people * number) -> bool:
                    return totals(deployment, "join").get("freshet_join_lists_total", 0) >= wanted

                wait_until(deployment, "lists as shown", all_shown, 120.0)
            time.sleep(_SETTLE_S)
            grown = _used(deployment) - before
            found = {
                kind: list(client.scan_iter(f"{settings.topics.prefix}{kind}:*")) for kind in PERSON_KEYS
            }
            by_kind = {
                kind: sum(client.memory_usage(key) or 0 for key in keys) for kind, keys in found.items()
            }
    if any(len(keys) != people for keys in found.values()):
        counted = ", ".join(f"{len(keys)} of {kind}" for kind, keys in found.items())
        raise DefectError(f"{people} people are to have a key of each kind in Redis; there are {counted}")
    setting: dict[str, str | int | float] = {"events_a_person": EVENTS_A_PERSON, "people": people}
    return [
        row("person_in_redis_all_keys", value / people, "bytes/person", baseline, setting | {"keys": kind})
        for baseline in [EVENTS_A_PERSON * _json_bytes()]
        for kind, value in {**by_kind, "all": grown}.items()
    ]


def _one_click_each(topic: str, people: int, number: int) -> Iterator[Outgoing]:
    """Each person clicks something just now, for the ``number``-th time."""
    for person in range(people):
        event = Event(
            event_id=f"e-{person}-{number}",
            user_id=short_id("person", person),
            item_id=short_id("item", (37 * person + 101 * number) % _LISTED_ITEMS),
            action="click",
            occurred_at=datetime.now(UTC),
        )
        yield Outgoing(topic, event.user_id.encode(), encode(event))


def _json_bytes(named: Named = short_id) -> float:
    """Bytes of an event as it was published."""
    made = [msgspec.json.decode(one.value or b"") for one in events("events", 100)]
    if named is not short_id:
        made = [one | {f"{kind}_id": named(kind, 1) for kind in ("event", "user", "item")} for one in made]
    return sum(len(msgspec.json.encode(one)) for one in made) / len(made)


def _items_in_redis(bench: Bench) -> list[Row]:
    items = bench.sized(tiny=50, short=5_000, long=100_000)
    bench.say(f"  {items:,} items through the text and fuse role")
    with bench.deployment({"text": 1, "fuse": 1}) as deployment:
        settings = deployment.settings
        topics = TopicNames(settings.topics.prefix)
        registry = encoder_registry(settings)
        dimension = registry.manifest(encoders_in_use(settings)["text"]).dimension
        before = _used(deployment)
        made = (
            Item(item_id=f"item-{n}", title=title(n), attributes={"category": f"c{n % 20}"})
            for n in range(items)
        )
        asyncio.run(
            publish(settings, (Outgoing(topics.items, one.item_id.encode(), encode(one)) for one in made))
        )
        with redis.Redis.from_url(settings.redis.url.get_secret_value()) as client:
            pattern = f"{settings.topics.prefix}item:*"

            def all_stored() -> bool:
                return sum(1 for _ in client.scan_iter(pattern, count=10_000)) >= items

            wait_until(deployment, "items in Redis", all_stored, 60.0 + items / 50, poll_s=1.0)
            # The last declaration may come before its feature.
            time.sleep(_SETTLE_S)
        value = (_used(deployment) - before) / items
    return [row("item_in_redis", value, "bytes/item", 4 * dimension, {"items": items, "modality": "text"})]


def _recommend_worker(bench: Bench, ranker: str) -> list[Row]:
    items = bench.sized(tiny=200, short=100_000, long=1_000_000)
    people = bench.sized(tiny=20, short=2_000, long=50_000)
    bench.say(f"  a recommend worker ({ranker}) with {items:,} items")
    flags = {"recommend": {"ranker": ranker}}
    with bench.deployment({"recommend": 1}, flags) as deployment:
        settings = deployment.settings
        topics = TopicNames(settings.topics.prefix)
        fusion = fusion_in_use(settings, encoder_registry(settings))
        empty = _pss(deployment)
        world = World(items, fusion.dimension, people)
        asyncio.run(publish(settings, world.vectors(topics.item_vectors(fusion.space))))

        def all_there() -> bool:
            return totals(deployment, "recommend").get("freshet_index_items", 0) >= items

        wait_until(deployment, "items in the index", all_there, 60.0 + items / 200)
        time.sleep(_SETTLE_S)
        filled = _pss(deployment)
        deployment.supervisor.start("profile")
        deployment.supervisor.wait_ready()
        history = EVENTS_A_PERSON * people
        asyncio.run(publish(settings, (record for _, record in world.history(topics.events, history))))

        def all_applied() -> bool:
            return totals(deployment, "profile").get("freshet_profile_events_total", 0) >= history

        wait_until(deployment, "events in profiles", all_applied, 60.0 + history / 200)
        largest = _while_events_are_taken(deployment, 60.0 + history / 200)
        known = _pss(deployment)
    setting: dict[str, str | int | float] = {"items": items, "ranker": ranker}
    return [
        row("item_in_worker", (filled - empty) / items, "bytes/item", 4 * fusion.dimension, setting),
        row(
            "person_in_worker",
            max(0, known - filled) / people,
            "bytes/person",
            EVENTS_A_PERSON * _json_bytes(),
            setting | {"people": people, "events_a_person": EVENTS_A_PERSON},
        ),
        row("recommend_worker", filled / _MEBIBYTE, "MiB", empty / _MEBIBYTE, setting),
        row(
            "recommend_worker_after_events",
            known / _MEBIBYTE,
            "MiB",
            empty / _MEBIBYTE,
            setting | {"people": people, "events_a_person": EVENTS_A_PERSON},
        ),
        row(
            "recommend_worker_largest",
            max(largest, known) / _MEBIBYTE,
            "MiB",
            empty / _MEBIBYTE,
            setting | {"people": people, "events_a_person": EVENTS_A_PERSON},
        ),
    ]


def _while_events_are_taken(deployment: LocalDeployment, timeout_s: float) -> int:
    """Wait until a recommend worker has taken no event for a while; the most memory seen meanwhile.

    It takes events later than the profile role: measured too early, it is in the middle of growing.
    """
    seen, since_s, largest = -1.0, time.monotonic(), 0

    def still() -> bool:
        nonlocal seen, since_s, largest
        try:
            applied = totals(deployment, "recommend").get("freshet_interactions_applied", 0.0)
        except OSError:
            # Too busy to answer, so not still.
            since_s = time.monotonic()
            return False
        if applied != seen:
            seen, since_s = applied, time.monotonic()
        largest = max(largest, _pss(deployment))
        return time.monotonic() - since_s >= _SETTLE_S

    wait_until(deployment, "events in the recommend worker", still, timeout_s)
    return largest


def _pss(deployment: LocalDeployment) -> int:
    return deployment.memory()["recommend"]
