"""The least that each role must be allowed in Redis: keys (as docs/guide/state.md has them) and commands.

Commands that a script calls are checked as well, so those of the scripts are here too. Key patterns are for
reading and writing alike: telling them apart needs Redis 7.
"""

from __future__ import annotations

import shlex

# What the client says when it connects, and the check that nothing is evicted. It also says its name by
# `client|setinfo`, and does without where it may not: Redis 7.0 takes no rule for what only 7.2 knows.
_CONNECTION = ("auth", "hello", "ping", "select", "info")
_SCRIPTS = ("evalsha", "script|load")
# Of a batch that is one step: its fences and values; counts of items; sums by day; marks of erasures.
_COMMIT = (*_SCRIPTS, "mget", "hmget", "hget", "hset", "getrange", "set")
_COUNTING = ("time", "zadd", "zcard", "zrange", "hdel", "zremrangebyrank")
_SUMS = ("hincrbyfloat", "pfadd", "expire")
_TIMERS = ("zadd", "zrem")
_MARKS = ("get", "hget", "hset", "hgetall", "hdel", "set", "time", "multi", "exec")
_HOLDING = ("zadd", "zscore", "zrem", "time", "hset", "expire", "multi", "exec")
_COUNTERS = ("zrangebyscore", "hmget")
_REPORTING = ("zadd", "zrem", "zrangebyscore", "hset", "hdel", "time", "multi", "exec")
# `freshet export` and `freshet models` look, and change nothing.
_LOOKING = ("mget", "hget", "time", "zrangebyscore", "hgetall", "multi", "exec")

_COUNTER_KEYS = ("popularity", "popularity-changed")
_MARK_KEYS = ("erased", "erased-version", "fence:restore")
_REPORT_KEYS = ("model-workers", "model-reports")
_HOLDER_KEYS = ("holders", "erasure-acks:*")

_ENCODER = (("mget", *_SCRIPTS, "hget", "hset", "hvals", "time"), ("item:*", "topic-lives:*"))
_RULES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "text": _ENCODER,
    "image": _ENCODER,
    "audio": _ENCODER,
    "video": _ENCODER,
    # Its script names the keys of counts, which other roles change by it.
    "fuse": ((*_COMMIT, *_REPORTING), ("item:*", "fence:fuse.*", *_COUNTER_KEYS, *_REPORT_KEYS)),
    "profile": (
        (
            *(*_COMMIT, *_COUNTING, *_MARKS, "del", "exists", "zrem"),
            # Who holds people in memory, and what they removed.
            *("zremrangebyscore", "zrange", "hgetall"),
        ),
        (
            *("profile:*", "exposures:*", "list:*", "timers:join:*", "fence:profile"),
            *("erasure:*", "restoring:*", *_COUNTER_KEYS, *_MARK_KEYS, *_HOLDER_KEYS),
        ),
    ),
    "recommend": (
        ("mget", *_SCRIPTS, "hget", *_HOLDING, *_COUNTERS, *_REPORTING, "hgetall"),
        ("profile:*", "exposures:*", "list:*", "erased", *_COUNTER_KEYS, *_HOLDER_KEYS, *_REPORT_KEYS),
    ),
    "learn": (_HOLDING, _HOLDER_KEYS),
    "explain": (_HOLDING, _HOLDER_KEYS),
    "join": (
        (*_COMMIT, *_SUMS, *_TIMERS, *_MARKS, *_COUNTERS, "del", "pfcount"),
        (
            *("exposures:*", "timers:join:*", "tally:outcomes:*", "distinct:shown:*", "fence:join"),
            *(*_COUNTER_KEYS, *_MARK_KEYS),
        ),
    ),
    "operator": (_LOOKING, ("profile:*", "exposures:*", "list:*", *_REPORT_KEYS)),
}
REDIS_USERS = tuple(_RULES)
"""The roles, and the operator: publishers and the console do without Redis."""


def redis_rules(role: str, prefix: str) -> list[str]:
    """The rules of `ACL SETUSER` for one of `REDIS_USERS`: from nothing, its keys and commands."""
    commands, keys = _RULES[role]
    return [
        "resetkeys",
        "resetchannels",
        "-@all",
        *(f"~{_escaped(prefix)}{key}" for key in dict.fromkeys(keys)),
        *(f"+{command}" for command in dict.fromkeys((*_CONNECTION, *commands))),
    ]


def redis_acl_command(role: str, user: str, prefix: str) -> str:
    """`redis-cli ACL SETUSER` for a role; the shell is to know `PASSWORD`."""
    rules = " ".join(shlex.quote(rule) for rule in redis_rules(role, prefix))
    return f'redis-cli ACL SETUSER {shlex.quote(user)} reset on ">$PASSWORD" {rules}'


def _escaped(prefix: str) -> str:
    """A prefix has no character that is special in a pattern, but it is somebody's setting."""
    return "".join(f"\\{one}" if one in "*?[]\\" else one for one in prefix)
