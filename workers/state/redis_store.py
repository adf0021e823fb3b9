"""The state store in Redis. Keys are documented in docs/guide/state.md."""

from __future__ import annotations

import re
import struct
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from streams.errors import ConfigurationError, DefectError, DependencyDownError
from streams.settings import RedisSettings
from workers.state.store import MAX_COUNTERS, Counter, CounterChanges, StateChange

_COMMIT = files(__package__).joinpath("commit.lua").read_text(encoding="utf-8")
_PUT_NEWEST = """
for i, key in ipairs(KEYS) do
  local version = tonumber(ARGV[2 * i])
  local current = tonumber(redis.call('HGET', key, 'profile_version') or '-1')
  if version >= current then
    redis.call('HSET', key, 'profile_version', ARGV[2 * i], 'list', ARGV[2 * i + 1])
    redis.call('EXPIRE', key, ARGV[1])
  end
end
return #KEYS
"""
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
# What Redis answers while it cannot write for now: out of memory, out of disk, loading, failing over, too few
# replicas.
_PASSING = (
    "OOM",
    "command not allowed when used memory",
    "MISCONF",
    "LOADING",
    "Redis is loading",
    "BUSY",
    "READONLY",
    "You can't write against a read only",
    "MASTERDOWN",
    "NOSCRIPT",
    "No matching script",
    "TRYAGAIN",
    "NOREPLICAS",
)
_IN_SCRIPT = re.compile(r"^Error running script .* @user_script: ?\d+: -?")
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
        async with _down("check"):
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
        async with _down("load"):
            return cast("list[bytes | None]", await self._redis.mget([self._prefix + key for key in keys]))

    async def fences(self, role: str, sources: Sequence[str]) -> list[int | None]:
        """See `StateStore.fences`."""
        if not sources:
            return []
        async with _down("fences"):
            found = await cast(
                "Awaitable[list[bytes | None]]", self._redis.hmget(self._fence_key(role), list(sources))
            )
        return [None if value is None else int(value) for value in found]

    async def has_fences(self, role: str) -> bool:
        """See `StateStore.has_fences`."""
        async with _down("fences"):
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
        ]
        for write in change.writes:
            arguments += [write.expected, write.value or b"", write.expire_after_s or 0]
        async with _down("commit"):
            return bool(await self._commit(keys=keys, args=arguments))

    async def counters_since(self, cursor: float) -> CounterChanges:
        """See `StateStore.counters_since`."""
        async with _down("counters"):
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
            member.decode(): Counter(*struct.unpack(">dd", value))
            for member, value in zip(members, packed, strict=True)
            if value is not None
        }
        return CounterChanges(counters, float(changed[-1][1]))

    async def forget_counters(self, item_ids: Sequence[str]) -> None:
        """See `StateStore.forget_counters`."""
        if not item_ids:
            return
        async with _down("counters"), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hdel(self._prefix + "popularity", *item_ids)
            pipeline.zrem(self._prefix + "popularity-changed", *item_ids)
            await pipeline.execute()

    async def tally(self, tally: str) -> dict[str, float]:
        """See `StateStore.tally`."""
        async with _down("tally"):
            found = await cast(
                "Awaitable[dict[bytes, bytes]]", self._redis.hgetall(f"{self._prefix}tally:{tally}")
            )
        return {field.decode(): float(amount) for field, amount in found.items()}

    async def distinct_counts(self, names: Sequence[str]) -> list[int]:
        """See `StateStore.distinct_counts`."""
        if not names:
            return []
        async with _down("distinct counts"), self._redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.pfcount(f"{self._prefix}distinct:{name}")
            return cast("list[int]", await pipeline.execute())

    async def timers_due(self, timers: str, until_s: float, limit: int) -> list[str]:
        """See `StateStore.timers_due`."""
        async with _down("timers"):
            due = await self._redis.zrangebyscore(
                f"{self._prefix}timers:{timers}", "-inf", until_s, start=0, num=limit
            )
        return [member.decode() for member in cast("list[bytes]", due)]

    async def generation(self, topic: str, topic_uuid: str) -> int:
        """See `StateStore.generation`."""
        async with _down("generation"):
            return int(
                cast(
                    "int",
                    await self._generation(keys=[f"{self._prefix}topic-lives:{topic}"], args=[topic_uuid]),
                )
            )

    async def put_newest_lists(self, lists: Sequence[tuple[str, int, bytes]], expire_after_s: int) -> None:
        """See `StateStore.put_newest_lists`."""
        if not lists:
            return
        arguments: list[Any] = [expire_after_s]
        for _, version, encoded in lists:
            arguments += [version, encoded]
        async with _down("newest lists"):
            await self._put_newest(
                keys=[f"{self._prefix}list:{user_id}" for user_id, _, _ in lists], args=arguments
            )

    async def newest_list(self, user_id: str) -> bytes | None:
        """See `StateStore.newest_list`."""
        async with _down("newest list"):
            return await cast(
                "Awaitable[bytes | None]", self._redis.hget(f"{self._prefix}list:{user_id}", "list")
            )

    async def aclose(self) -> None:
        """See `StateStore.aclose`."""
        await self._redis.aclose()

    def _fence_key(self, role: str) -> str:
        return f"{self._prefix}fence:{role}"


@asynccontextmanager
async def _down(step: str) -> AsyncIterator[None]:
    """Turn whatever Redis or the network raises into the one error that pauses a role."""
    try:
        yield
    except AuthenticationError as error:
        raise ConfigurationError(f"Redis refuses the user or password in `redis.url`: {error}") from None
    except NoPermissionError as error:
        raise ConfigurationError(f"Redis does not let the user of `redis.url` do {step}: {error}") from None
    except ResponseError as error:
        # Before version 7, an error within a script comes with the place in the script before it.
        if _IN_SCRIPT.sub("", str(error)).startswith(_PASSING):
            raise DependencyDownError(f"Redis refuses during {step}: {error}") from error
        raise DefectError(f"Redis does not understand {step}: {error}") from error
    except (RedisError, OSError, TimeoutError) as error:
        raise DependencyDownError(f"Redis failed during {step}: {error or type(error).__name__}") from error
