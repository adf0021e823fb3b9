"""Redis: answers, keeps what it is given, and has room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from streams.errors import FreshetError
from streams.settings import RedisSettings
from workers.doctor.check import Check
from workers.redis_check import redis_info

AREA = "redis"
_NEARLY_FULL = 0.9


def check_redis_server(settings: RedisSettings) -> Iterator[Check]:
    """Ask Redis of itself."""
    try:
        info = redis_info(settings)
    except FreshetError as error:
        yield Check(AREA, "fail", str(error), "start Redis, correct `redis.url`, or use `freshet up`")
        return
    yield from judge_redis(info)


def judge_redis(info: Mapping[str, Any]) -> Iterator[Check]:
    """Findings of what INFO said."""
    yield Check(
        AREA,
        "ok",
        f"Redis {info.get('redis_version')} answers, {info.get('used_memory_human')} in use",
    )
    policy = info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        yield Check(AREA, "ok", "nothing is evicted (noeviction)")
    else:
        yield Check(
            AREA,
            "fail",
            f"maxmemory-policy is {policy}: profiles would vanish when memory is short",
            "run `redis-cli config set maxmemory-policy noeviction`, and set it in redis.conf",
        )
    if not info.get("aof_enabled"):
        yield Check(
            AREA,
            "warn",
            "no append-only file: after a crash, what came since the last snapshot is read from Kafka again",
            "set `appendonly yes` in redis.conf",
        )
    limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    if limit and used > _NEARLY_FULL * limit:
        yield Check(
            AREA,
            "warn",
            f"{used / limit:.0%} of maxmemory is in use; at 100% every role pauses",
            "raise maxmemory",
        )
    if info.get("cluster_enabled"):
        yield Check(
            AREA,
            "fail",
            "this is a Redis Cluster, in which one script cannot change keys of several slots",
            "name a Redis that is no cluster",
        )
