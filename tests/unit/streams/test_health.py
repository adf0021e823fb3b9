"""The health endpoint of a worker."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import pytest

from streams.driver import PartitionStats, RunnerStats
from streams.errors import ConfigurationError
from streams.health import HealthServer
from streams.settings import Settings, WorkerSettings


def stats(**changes: Any) -> RunnerStats:
    base = RunnerStats(
        role="profile",
        state="running",
        partitions=(),
        lag=0,
        in_flight_records=0,
        in_flight_bytes=0,
        paused_since_s=None,
        last_progress_s=monotonic(),
        commit_failing_since_s=None,
        restarts=0,
        problem=None,
    )
    return dataclasses.replace(base, **changes)


class FakeRunner:
    def __init__(self, now: RunnerStats) -> None:
        self.now = now

    def stats(self) -> RunnerStats:
        return self.now


async def get(health: HealthServer, path: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{health.port}{path}") as answer,
    ):
        return answer.status, await (answer.text() if path == "/metrics" else answer.json())


def settings(**worker: Any) -> Settings:
    return Settings(worker=WorkerSettings(**worker))


async def test_before_its_runner_a_worker_is_alive_and_not_ready() -> None:
    async with HealthServer(settings(), "profile") as health:
        assert (await get(health, "/live"))[0] == 200
        status, answer = await get(health, "/ready")
        assert (status, answer["ready"]) == (503, False)


async def test_ready_follows_the_runner() -> None:
    async with HealthServer(settings(), "profile") as health:
        runner = FakeRunner(stats(state="connecting"))
        health.watch(runner)
        assert await get(health, "/ready") == (
            503,
            {
                "ready": False,
                "role": "profile",
                "reason": "waits for Kafka, or for its turn in the consumer group",
            },
        )
        runner.now = stats()
        assert (await get(health, "/ready"))[0] == 200
        runner.now = stats(problem="the topic `t.events` does not exist")
        status, answer = await get(health, "/ready")
        assert (status, answer["reason"]) == (503, "the topic `t.events` does not exist")
        runner.now = stats(state="paused", paused_since_s=monotonic())
        assert (await get(health, "/ready"))[0] == 503
        assert (await get(health, "/live"))[0] == 200


async def test_live_fails_where_records_wait_and_nothing_is_committed() -> None:
    stuck = PartitionStats("t.events", "uuid", 3, position=9, done=4, committed=4, log_end=9, lag=5)
    async with HealthServer(settings(stall_timeout_s=0.05), "profile") as health:
        health.watch(FakeRunner(stats(partitions=(stuck,), lag=5)))
        status, answer = 200, {}
        deadline_s = monotonic() + 60
        while status == 200 and monotonic() < deadline_s:
            status, answer = await get(health, "/live")
        assert (status, answer["alive"], answer["state"]) == (503, False, "stalled")
        assert "5 records wait" in answer["reason"]


async def test_metrics_show_the_runner_only_while_the_worker_runs() -> None:
    partition = PartitionStats("t.events", "uuid", 3, position=9, done=4, committed=4, log_end=9, lag=5)
    line = 'freshet_lag_records{partition="3",role="profile",topic="t.events"} 5.0'
    async with HealthServer(settings(), "profile") as health:
        health.watch(FakeRunner(stats(partitions=(partition,), lag=5)))
        text = (await get(health, "/metrics"))[1]
        assert line in text
        assert 'freshet_ready{role="profile"} 1.0' in text
    async with HealthServer(settings(), "text") as health:
        assert line not in (await get(health, "/metrics"))[1]


async def test_by_default_it_listens_on_loopback_alone() -> None:
    async with HealthServer(Settings(), "profile") as health:
        assert listened_on(health.port) == ["0100007F"]  # 127.0.0.1, as the kernel writes it


def listened_on(port: int) -> list[str]:
    """Every address of this machine where something listens on the port, by the kernel's tables."""
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]
    ]
    local = [row[1].split(":") for row in rows if row[3] == "0A"]
    return [address for address, hexadecimal in local if int(hexadecimal, 16) == port]


async def test_a_port_in_use_is_said_with_what_to_change() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ConfigurationError, match=r"worker\.metrics_port"):
            async with HealthServer(settings(metrics_port=other.getsockname()[1]), "text"):
                pass
