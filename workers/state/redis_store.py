"""The state store in Redis. Keys are documented in docs/guide/state.md."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any, cast

import msgspec
from redis.asyncio import Redis

from streams.errors import ConfigurationError
from streams.settings import RedisSettings
from workers.state.redis_errors import redis_errors
from workers.state.store import MAX_COUNTERS, Counter, CounterChanges, NewestList, StateChange

_COMMIT = files(__package__).joinpath("commit.lua").read_text(encoding="utf-8")
_PUT_NEWEST = """
for i = 2, #KEYS do
  local key, first = KEYS[i], 4 * i - 6
  local version = tonumber(ARGV[first])
  local current = tonumber(redis.call('HGET', key, 'profile_version') or '-1')
  local mark = redis.call('HGET', KEYS[1], ARGV[first + 2])
  local is_void = mark and tonumber(string.match(mark, '^%d+')) > tonumber(ARGV[first + 3])
  if version >= current and not is_void then
    redis.call('HSET', key, 'profile_version', ARGV[first], 'list', ARGV[first + 1])
    redis.call('EXPIRE', key, ARGV[1])
  end
end
return #KEYS
"""
# Longer than `erasures` is kept by default: so long a receipt may wait, or an erasure be done anew.
_ACKNOWLEDGED_S = 28 * 86_400
_MARKS = "erased"
_MARKS_VERSION = "erased-version"
_HOLDERS = "holders"
_LIVE = "model-workers"
_REPORTS = "model-reports"
# The time, as a count would begin anew with a Redis that has lost its state, and items that Kafka still holds
# in a higher generation would take no update any more.
_GENERATION = """
local generation = redis.call('HGET', KEYS[1], ARGV[1])
if not generation then
  generation = tonumber(redis.call('TIME')[1])
  for _, other in ipairs(redis.call('HVALS', KEYS[1])) do
    generation = math.max(generation, tonumber(other) + 1)
  end
  redis.call('HSET', KEYS[1], ARGV[1], generation)
end
return tonumber(generation)
"""
_pack = msgspec.msgpack.encode


class RedisStateStore:
    """State in one Redis (not a cluster: one script touches keys of several slots).

    Args:
        settings: Where Redis is.
        prefix: Of every key; the same as that of the topics.
        max_counters: Item counters kept; beyond, those that changed longest ago are forgotten.
    """

    def __init__(self, settings: RedisSettings, prefix: str, *, max_counters: int = MAX_COUNTERS) -> None:
        options: dict[str, Any] = {}
        url = settings.url.get_secret_value()
        if settings.ca_file is not None and url.startswith("rediss://"):
            options["ssl_ca_certs"] = str(settings.ca_file)
        try:
            self._redis: Redis = Redis.from_url(
                url,
                socket_timeout=settings.timeout_s,
                socket_connect_timeout=settings.timeout_s,
                **options,
            )
        except ValueError as error:
            raise ConfigurationError(f"setting `redis.url` is wrong: {error}") from None
        self._prefix = prefix
        self._max_counters = max_counters
        self._commit = self._redis.register_script(_COMMIT)
        self._put_newest = self._redis.register_script(_PUT_NEWEST)
        self._generation = self._redis.register_script(_GENERATION)

    async def check(self) -> None:
        """Refuse a Redis that would evict state under memory pressure.

        Raises:
            ConfigurationError: `maxmemory-policy` is not `noeviction`.
            DependencyDownError: Redis does not answer.
        """
        async with redis_errors("check"):
            memory = cast("dict[str, Any]", await self._redis.info("memory"))
        policy = memory.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            raise ConfigurationError(
                f"Redis has `maxmemory-policy {policy}` and would drop state when memory is short: "
                "set it to `noeviction`"
            )

    async def load(self, keys: Sequence[str]) -> list[bytes | None]:
        """See `StateStore.load`."""
        if not keys:
            return []
        async with redis_errors("load"):
            return cast("list[bytes | None]", await self._redis.mget([self._prefix + key for key in keys]))

    async def fences(self, role: str, sources: Sequence[str]) -> list[int | None]:
        """See `StateStore.fences`."""
        if not sources:
            return []
        async with redis_errors("fences"):
            found = await cast(
                "Awaitable[list[bytes | None]]", self._redis.hmget(self._fence_key(role), list(sources))
            )
        return [None if value is None else int(value) for value in found]

    async def has_fences(self, role: str) -> bool:
        """See `StateStore.has_fences`."""
        async with redis_errors("fences"):
            return bool(await self._redis.exists(self._fence_key(role)))

    async def commit(self, role: str, change: StateChange) -> bool:
        """See `StateStore.commit`."""
        keys = [
            self._fence_key(role),
            self._prefix + "popularity",
            self._prefix + "popularity-changed",
            *(self._prefix + write.key for write in change.writes),
        ]

        def key_number(name: str) -> int:
            """The number under which the script finds a further key, counted from 1."""
            keys.append(self._prefix + name)
            return len(keys)

        tallies: dict[tuple[str, int], list[tuple[str, float]]] = {}
        for sum_ in change.tallies:
            tallies.setdefault((sum_.tally, sum_.expire_after_s), []).append((sum_.field, sum_.amount))
        timers: dict[str, list[tuple[str, str]]] = {}
        for timer in change.timers:
            due = "" if timer.due_s is None else repr(timer.due_s)
            timers.setdefault(timer.timers, []).append((timer.member, due))
        arguments: list[Any] = [
            _pack(
                [
                    (move.source, "" if move.expected is None else str(move.expected), str(move.next_offset))
                    for move in change.fences
                ]
            ),
            _pack([(add.item_id, float(add.weight), float(add.at_s)) for add in change.increments]),
            change.counter_half_life_s,
            self._max_counters,
            len(change.writes),
            _pack(
                [
                    (key_number(f"tally:{name}"), seconds, [(field, repr(amount)) for field, amount in sums])
                    for (name, seconds), sums in tallies.items()
                ]
            ),
            _pack(
                [
                    (key_number(f"distinct:{addition.name}"), addition.expire_after_s, addition.members)
                    for addition in change.distinct
                ]
            ),
            _pack([(key_number(f"timers:{name}"), entries) for name, entries in timers.items()]),
            _pack(self._erasures(change, key_number)),
            _pack([key_number(name) for name in change.deletes]),
        ]
        for write in change.writes:
            arguments += [write.expected, write.value or b"", write.expire_after_s or 0]
        async with redis_errors("commit"):
            return bool(await self._commit(keys=keys, args=arguments))

    def _erasures(self, change: StateChange, key_number: Callable[[str], int]) -> list[Any]:
        """What the script checks and changes of the marks; nothing for a change without any."""
        if change.marks_version is None and not change.marks:
            return []
        return [
            False if change.marks_version is None else change.marks_version.decode(),
            key_number(_MARKS_VERSION),
            key_number(_MARKS),
            [(mark.person, mark.at_ms, mark.until_ms) for mark in change.marks],
        ]

    async def counters_since(self, cursor: float) -> CounterChanges:
        """See `StateStore.counters_since`."""
        async with redis_errors("counters"):
            changed = await self._redis.zrangebyscore(
                self._prefix + "popularity-changed", cursor, "+inf", withscores=True
            )
            if not changed:
                return CounterChanges({}, cursor)
            members = [member for member, _ in changed]
            packed = await cast(
                "Awaitable[list[bytes | None]]", self._redis.hmget(self._prefix + "popularity", members)
            )
        counters = {
            member.decode(): Counter(*struct.unpack_from(">dd", value))
            for member, value in zip(members, packed, strict=True)
            if value is not None
        }
        return CounterChanges(counters, float(changed[-1][1]))

    async def forget_counters(self, item_ids: Sequence[str]) -> None:
        """See `StateStore.forget_counters`."""
        if not item_ids:
            return
        async with redis_errors("counters"), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hdel(self._prefix + "popularity", *item_ids)
            pipeline.zrem(self._prefix + "popularity-changed", *item_ids)
            await pipeline.execute()

    async def tally(self, tally: str) -> dict[str, float]:
        """See `StateStore.tally`."""
        async with redis_errors("tally"):
            found = await cast(
                "Awaitable[dict[bytes, bytes]]", self._redis.hgetall(f"{self._prefix}tally:{tally}")
            )
        return {field.decode(): float(amount) for field, amount in found.items()}

    async def distinct_counts(self, names: Sequence[str]) -> list[int]:
        """See `StateStore.distinct_counts`."""
        if not names:
            return []
        async with redis_errors("distinct counts"), self._redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.pfcount(f"{self._prefix}distinct:{name}")
            return cast("list[int]", await pipeline.execute())

    async def timers_due(self, timers: str, until_s: float, limit: int) -> list[str]:
        """See `StateStore.timers_due`."""
        async with redis_errors("timers"):
            due = await self._redis.zrangebyscore(
                f"{self._prefix}timers:{timers}", "-inf", until_s, start=0, num=limit
            )
        return [member.decode() for member in cast("list[bytes]", due)]

    async def generation(self, topic: str, topic_uuid: str) -> int:
        """See `StateStore.generation`."""
        async with redis_errors("generation"):
            return int(
                cast(
                    "int",
                    await self._generation(keys=[f"{self._prefix}topic-lives:{topic}"], args=[topic_uuid]),
                )
            )

    async def put_newest_lists(self, lists: Sequence[NewestList], expire_after_s: int) -> None:
        """See `StateStore.put_newest_lists`."""
        if not lists:
            return
        arguments: list[Any] = [expire_after_s]
        for one in lists:
            arguments += [one.profile_version, one.encoded, one.person, one.since_ms]
        keys = [self._prefix + _MARKS, *(f"{self._prefix}list:{one.user_id}" for one in lists)]
        async with redis_errors("newest lists"):
            await self._put_newest(keys=keys, args=arguments)

    async def newest_list(self, user_id: str) -> bytes | None:
        """See `StateStore.newest_list`."""
        async with redis_errors("newest list"):
            return await cast(
                "Awaitable[bytes | None]", self._redis.hget(f"{self._prefix}list:{user_id}", "list")
            )

    async def marks_version(self) -> bytes:
        """See `StateStore.marks_version`."""
        async with redis_errors("marks"):
            return cast("bytes | None", await self._redis.get(self._prefix + _MARKS_VERSION)) or b""

    async def marks(self) -> tuple[bytes, dict[str, int]]:
        """See `StateStore.marks`."""
        async with redis_errors("marks"):
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.get(self._prefix + _MARKS_VERSION)
                pipeline.hgetall(self._prefix + _MARKS)
                pipeline.time()
                version, stored, (seconds, _) = await pipeline.execute()
            held: dict[str, int] = {}
            passed: list[str] = []
            for person, value in cast("dict[bytes, bytes]", stored).items():
                at_ms, until_ms = map(int, value.split(b":")[:2])
                if 0 < until_ms < seconds * 1_000:
                    passed.append(person.decode())
                else:
                    held[person.decode()] = at_ms
            if passed:
                await cast("Awaitable[int]", self._redis.hdel(self._prefix + _MARKS, *passed))
        return version or b"", held

    async def hold(self, holder: str, for_s: float) -> bool:
        """See `StateStore.hold`."""
        async with redis_errors("holders"):
            seconds, _ = await self._redis.time()
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.zscore(self._prefix + _HOLDERS, holder)
                pipeline.zadd(self._prefix + _HOLDERS, {holder: seconds + for_s})
                held_until_s, _ = await pipeline.execute()
        return held_until_s is not None and held_until_s >= seconds

    async def release(self, holder: str) -> None:
        """See `StateStore.release`."""
        async with redis_errors("holders"):
            await self._redis.zrem(self._prefix + _HOLDERS, holder)

    async def holders(self) -> set[str]:
        """See `StateStore.holders`."""
        async with redis_errors("holders"):
            seconds, _ = await self._redis.time()
            await self._redis.zremrangebyscore(self._prefix + _HOLDERS, "-inf", f"({seconds}")
            found = await self._redis.zrange(self._prefix + _HOLDERS, 0, -1)
        return {holder.decode() for holder in cast("list[bytes]", found)}

    async def acknowledge(self, holder: str, removed: Mapping[str, bytes]) -> None:
        """See `StateStore.acknowledge`."""
        async with redis_errors("acknowledgements"), self._redis.pipeline(transaction=True) as pipeline:
            for erasure, what in removed.items():
                key = f"{self._prefix}erasure-acks:{erasure}"
                pipeline.hset(key, holder, cast("Any", what))
                pipeline.expire(key, _ACKNOWLEDGED_S)
            await pipeline.execute()

    async def acknowledgements(self, erasure: str) -> dict[str, bytes]:
        """See `StateStore.acknowledgements`."""
        async with redis_errors("acknowledgements"):
            found = await cast(
                "Awaitable[dict[bytes, bytes]]",
                self._redis.hgetall(f"{self._prefix}erasure-acks:{erasure}"),
            )
        return {holder.decode(): removed for holder, removed in found.items()}

    async def report(self, worker: str, report: bytes, for_s: float) -> None:
        """See `StateStore.report`."""
        async with redis_errors("reports"):
            seconds, _ = await self._redis.time()
            gone = await self._redis.zrangebyscore(self._prefix + _LIVE, "-inf", f"({seconds}")
            async with self._redis.pipeline(transaction=True) as pipeline:
                if gone:
                    pipeline.zrem(self._prefix + _LIVE, *gone)
                    pipeline.hdel(self._prefix + _REPORTS, *gone)
                pipeline.zadd(self._prefix + _LIVE, {worker: seconds + for_s})
                pipeline.hset(self._prefix + _REPORTS, worker, cast("Any", report))
                await pipeline.execute()

    async def reports(self) -> dict[str, bytes]:
        """See `StateStore.reports`."""
        async with redis_errors("reports"):
            seconds, _ = await self._redis.time()
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.zrangebyscore(self._prefix + _LIVE, seconds, "+inf")
                pipeline.hgetall(self._prefix + _REPORTS)
                live, held = await pipeline.execute()
        return {worker.decode(): held[worker] for worker in live if worker in held}

    async def end_report(self, worker: str) -> None:
        """See `StateStore.end_report`."""
        async with redis_errors("reports"), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.zrem(self._prefix + _LIVE, worker)
            pipeline.hdel(self._prefix + _REPORTS, worker)
            await pipeline.execute()

    async def aclose(self) -> None:
        """See `StateStore.aclose`."""
        await self._redis.aclose()

    def _fence_key(self, role: str) -> str:
        return f"{self._prefix}fence:{role}"
