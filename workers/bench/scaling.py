"""Part (g): events/s of one, two and three profile workers that share the partitions of `events`.

Workers are ready, then stopped (SIGSTOP) while a backlog is published, and let go: the clock runs from then
until the last event is in Redis. The baseline of each is the single worker of the same run. On as many cores
as there are workers beside Kafka and Redis, ratios near the number of workers are what to hope for.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time

import redis

from streams.topic_names import TopicNames
from workers.bench.backlogs import events, publish
from workers.bench.rows import Row, row
from workers.bench.run import Bench
from workers.bench.watching import processor_s, wait_until
from workers.local_deployment import LocalDeployment

WORKERS = (1, 2, 3)
_POLL_S = 0.02
# A worker that stands still may not be taken for dead meanwhile.
_SESSION_TIMEOUT_S = 120.0


def measure(bench: Bench) -> list[Row]:
    """See the module."""
    count = bench.sized(tiny=1_000, short=60_000, long=500_000)
    rows: list[Row] = []
    alone = alone_us = None
    for workers in WORKERS:
        bench.say(f"  {workers} profile workers, {count:,} events")
        flags = {"kafka": {"session_timeout_s": _SESSION_TIMEOUT_S, "request_timeout_s": _SESSION_TIMEOUT_S}}
        with bench.deployment({"profile": workers}, flags) as deployment:
            per_s, processor_us = _events_per_s(deployment, count)
        alone, alone_us = alone or per_s, alone_us or processor_us
        setting = {"workers": workers, "events": count, "cores": os.cpu_count() or 1}
        rows.append(row("profile_scaling", per_s, "events/s", alone, setting))
        rows.append(row("profile_scaling_processor_time", processor_us, "µs/event", alone_us, setting))
    return rows


def _events_per_s(deployment: LocalDeployment, count: int) -> tuple[float, float]:
    settings = deployment.settings
    prefix = settings.topics.prefix
    pids = deployment.supervisor.pids("profile")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        asyncio.run(publish(settings, events(TopicNames(prefix).events, count)))
        spent_s = sum(map(processor_s, pids))
        started_s = time.perf_counter()
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    with redis.Redis.from_url(settings.redis.url.get_secret_value()) as client:

        def all_applied() -> bool:
            fences: dict[bytes, bytes] = client.hgetall(f"{prefix}fence:profile")
            return sum(map(int, fences.values())) >= count

        wait_until(deployment, "events in profiles", all_applied, 60.0 + count / 200, _POLL_S)
    taken_s = time.perf_counter() - started_s
    return count / taken_s, 1e6 * (sum(map(processor_s, pids)) - spent_s) / count
