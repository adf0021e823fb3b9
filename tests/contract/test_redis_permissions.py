"""The rules of each role for Redis are what its steps on state need, and no more.

Here is every step that the code of a role takes. A Redis carries them out under the role's rules, and its
MONITOR says which commands and keys they came to: what was granted and is not among those is too much.
"""

from __future__ import annotations

import inspect
import re
import secrets
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr

from streams.settings import RedisSettings
from tests.conftest import RedisServer
from tests.contract.redis_watch import RedisWatch
from workers.state.access import REDIS_USERS, redis_rules
from workers.state.redis_store import RedisStateStore
from workers.state.store import (
    MISSING,
    CounterIncrement,
    DistinctAddition,
    ErasureMark,
    FenceMove,
    NewestList,
    StateChange,
    TallyIncrement,
    TimerChange,
    Write,
    pack_version,
)

# Said where a connection is made, or the URL asks for another database; MONITOR does not show all of it.
CONNECTING = {"auth", "hello", "ping", "select"}
Steps = Callable[[RedisStateStore], Awaitable[None]]


def write(key: str, value: bytes | None = b"x", expire_after_s: int | None = None) -> Write:
    packed = None if value is None else pack_version(1) + value
    return Write(key, MISSING, packed, expire_after_s)


async def encode(store: RedisStateStore) -> None:
    await store.load(["item:a"])
    assert await store.generation("items", "uuid") == await store.generation("items", "uuid")
    await store.generation("items", "another uuid")


async def fuse(store: RedisStateStore) -> None:
    role = "fuse.space"
    await store.load(["item:a"])
    await store.fences(role, ["uuid:0"])
    writes = [write("item:a"), write("item:b", expire_after_s=9)]
    assert await store.commit(role, StateChange(fences=[FenceMove("uuid:0", None, 1)], writes=writes))
    await store.report("fuse/dead", b"{}", -1.0)
    await report(store)


async def profile(store: RedisStateStore) -> None:
    await store.has_fences("profile")
    await store.fences("profile", ["uuid:0"])
    await store.load(["profile:a", "exposures:a", "erasure:h"])
    await restore_marks(store)
    version = await store.marks_version()
    change = StateChange(
        fences=[FenceMove("uuid:0", None, 1)],
        writes=[write("profile:a"), write("exposures:a", None), write("erasure:h", expire_after_s=9)],
        # One more than are kept.
        increments=[CounterIncrement(item_id, 1.0, 5.0) for item_id in "aba"],
        timers=[TimerChange("join:0", "a", None)],
        marks_version=version,
        marks=[ErasureMark("h", 5, 0)],
        deletes=["list:a"],
    )
    assert await store.commit("profile", change)
    assert await store.commit("profile", StateChange(writes=[write("restoring:w", expire_after_s=9)]))
    await store.newest_list("a")
    await store.holders()
    await store.acknowledgements("h:5")


async def recommend(store: RedisStateStore) -> None:
    await store.load(["profile:a", "exposures:a"])
    await store.put_newest_lists([NewestList("a", 1, b"{}", "h", 5)], 9)
    await store.counters_since(0.0)
    await hold(store)
    await store.report("recommend/dead", b"{}", -1.0)
    await report(store)
    await store.reports()


async def join(store: RedisStateStore) -> None:
    await store.load(["exposures:a"])
    await store.fences("join", ["uuid:0"])
    await restore_marks(store)
    version = await store.marks_version()
    change = StateChange(
        fences=[FenceMove("uuid:0", None, 1)],
        writes=[write("exposures:a", expire_after_s=9), write("exposures:b", None)],
        tallies=[TallyIncrement("outcomes:2026-11-26", "[]", 1.0, 9)],
        distinct=[DistinctAddition("shown:2026-11-26:[]", ["a"], 9)],
        timers=[TimerChange("join:0", "a", 5.0), TimerChange("join:0", "b", None)],
        marks_version=version,
    )
    assert await store.commit("join", change)
    await store.counters_since(0.0)
    await store.distinct_counts(["shown:2026-11-26:[]"])
    await store.timers_due("join:0", 9.0, 9)


async def hold(store: RedisStateStore) -> None:
    await store.hold("worker", 9.0)
    await store.acknowledge("worker", {"h:5": b"[]"})
    await store.release("worker")


async def look(store: RedisStateStore) -> None:
    await store.load(["profile:a", "exposures:a"])
    await store.newest_list("a")
    await store.reports()


async def report(store: RedisStateStore) -> None:
    await store.report("worker", b"{}", 9.0)
    await store.end_report("worker")


async def restore_marks(store: RedisStateStore) -> None:
    # One is over, and goes when they are read.
    assert await store.commit("restore", StateChange(marks=[ErasureMark("h", 5, 0), ErasureMark("i", 5, 6)]))
    await store.marks()


STEPS: dict[str, Steps] = {
    **dict.fromkeys(("text", "image", "audio", "video"), encode),
    "fuse": fuse,
    "profile": profile,
    "recommend": recommend,
    "learn": hold,
    "explain": hold,
    "join": join,
    "operator": look,
}


@pytest.mark.parametrize("role", REDIS_USERS)
async def test_a_role_may_do_what_its_steps_need_and_no_more(role: str, redis_server: RedisServer) -> None:
    prefix, user = f"t{secrets.token_hex(4)}.", f"u{secrets.token_hex(4)}"
    rules = redis_rules(role, prefix)
    address = redis_server.url.partition("://")[2].rpartition("@")[2]
    settings = RedisSettings(url=SecretStr(f"redis://{user}:x@{address}"))
    with redis.Redis.from_url(redis_server.url) as admin:
        admin.execute_command("ACL", "SETUSER", user, "reset", "on", "nopass", *rules)
        # As on a Redis that was just started: each script is loaded.
        admin.script_flush()
        # What others of the deployment have written: a counter, and a worker that is live.
        admin.hset(f"{prefix}popularity", "a", bytes(16))
        admin.zadd(f"{prefix}popularity-changed", {"a": 1.0})
        store = RedisStateStore(settings, prefix, max_counters=1)
        try:
            with RedisWatch(admin, prefix) as watch:
                await store.check()
                await STEPS[role](store)
            addresses = [one["addr"] for one in admin.client_list() if one["user"] == user]
        finally:
            await store.aclose()
            admin.execute_command("ACL", "DELUSER", user)
            for key in admin.scan_iter(match=f"{prefix}*"):
                admin.delete(key)
    ports = {int(address.rpartition(":")[2]) for address in addresses}
    assert {one.removeprefix(prefix) for one in watch.unused(ports, rules)} <= CONNECTING


WIRED = dict.fromkeys(("text", "image", "audio", "video", "fuse"), "workers.wiring.items") | {
    "join": "workers.wiring.outcomes",
    **{role: f"workers.wiring.{role}" for role in ("profile", "recommend", "learn", "explain")},
}


@pytest.mark.parametrize("role", WIRED)
def test_the_steps_here_are_taken_by_the_code_of_the_role(role: str) -> None:
    """Each method that is called above is named in a module that the role is wired of."""
    called = _called(STEPS[role])
    assert called
    assert called <= {name for module in _wired_of(WIRED[role]) for name in _store_methods(module)}


def _called(steps: Any) -> set[str]:
    """Methods of the store that a function above calls, and those that it calls."""
    text = inspect.getsource(steps)
    inner = re.findall(r"await (\w+)\(store\)", text)
    return set(re.findall(r"store\.(\w+)\(", text)).union(*(_called(globals()[name]) for name in inner))


def _wired_of(module: str) -> set[str]:
    """The modules of workers that this one imports, and those that they import."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        if (one := waiting.pop()) not in found and one != RedisStateStore.__module__:
            found.add(one)
            waiting += re.findall(r"^ *from (workers\.[\w.]+) import", _text(one), re.MULTILINE)
    return found


@cache
def _store_methods(module: str) -> frozenset[str]:
    """Whatever is taken of a `store`, however that is held."""
    return frozenset(re.findall(r"store\.(\w+)", _text(module)))


@cache
def _text(module: str) -> str:
    spec = find_spec(module)
    assert spec is not None
    return Path(spec.origin or "").read_text(encoding="utf-8")
