"""Kafka away, at start and later: the worker waits, says so, and goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError

from deploy.embedded import EmbeddedKafka
from deploy.embedded.ports import free_port
from streams.driver import RoleRunner
from streams.driver.member import KafkaMember
from streams.settings import load_settings
from tests.integration.driver_helpers import (
    SHORT_SESSION_S,
    Recorder,
    committed_offsets,
    create_topic,
    no_poison,
    publish_numbers,
    running,
    settings_for,
    until,
)

SHORT_SESSIONS = {"group.min.session.timeout.ms": "1000"}


async def test_kafka_comes_late_goes_away_and_comes_back(topic_prefix: str, tmp_path: Path) -> None:
    port = free_port()
    servers, topic = f"127.0.0.1:{port}", topic_prefix + "numbers"
    recorder = Recorder()
    runner = RoleRunner(settings_for(servers, topic_prefix), "role", [topic], recorder, on_poison=no_poison)
    async with running(runner):
        await until(lambda: recorder.started, "the start")
        await asyncio.sleep(1.0)
        assert runner.stats().state == "connecting"
        with EmbeddedKafka(tmp_path, port=port, extra_config=SHORT_SESSIONS):
            await create_topic(servers, topic, 2)
            await publish_numbers(servers, topic, range(100), partitions=2)
            await until(lambda: len(recorder.records) == 100, "the first records")
            await until(lambda: all(p.committed == 50 for p in runner.stats().partitions), "the commits")
        await asyncio.sleep(5.0)
        with EmbeddedKafka(tmp_path, port=port, extra_config=SHORT_SESSIONS):
            await publish_numbers(servers, topic, range(100, 200), partitions=2)
            await until(lambda: len(recorder.records) >= 200, "the records after the restart", 120)
            assert sorted(recorder.numbers) == list(range(200))
            runner.stop()
            await until(lambda: recorder.stopped, "the stop")
            assert await committed_offsets(servers, topic_prefix + "role") == {0: 100, 1: 100}


async def test_stop_while_kafka_is_away(topic_prefix: str) -> None:
    servers = f"127.0.0.1:{free_port()}"
    recorder = Recorder()
    settings = settings_for(servers, topic_prefix)
    async with running(RoleRunner(settings, "role", ["numbers"], recorder, on_poison=no_poison)):
        await until(lambda: recorder.started, "the start")
    assert recorder.stopped


async def test_a_consumer_that_is_broken_for_good_is_replaced(
    kafka, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers, topic = kafka.bootstrap_servers, topic_prefix + "numbers"
    await create_topic(servers, topic, 2)
    await publish_numbers(servers, topic, range(100), partitions=2)
    recorder = Recorder()
    settings = settings_for(servers, topic_prefix, session_timeout_s=SHORT_SESSION_S)
    runner = RoleRunner(settings, "role", [topic], recorder, on_poison=no_poison)
    original = KafkaMember.is_member
    broken: list[KafkaMember] = []

    async def breaks(member: KafkaMember) -> bool:
        if not broken and len(recorder.records) == 100:
            # As aiokafka does on a fatal group error: the heartbeat ends, and nothing starts it anew.
            broken.append(member)

            async def die() -> None:
                raise KafkaError("fatal")

            member._consumer._coordinator._heartbeat_task = asyncio.get_running_loop().create_task(die())
            await asyncio.sleep(0)
        return await original(member)

    monkeypatch.setattr(KafkaMember, "is_member", breaks)
    async with running(runner):
        await until(lambda: broken, "the breakage")
        await until(lambda: runner.stats().restarts == 1, "another consumer")
        await publish_numbers(servers, topic, range(100, 200), partitions=2)
        await until(lambda: len(recorder.records) >= 200, "the records afterwards")
        assert set(recorder.numbers) == set(range(200))
        await until(lambda: runner.stats().lag == 0 and runner.stats().state == "running", "no lag")
    assert runner.stats().restarts == 1


async def test_a_group_that_refuses_the_worker_is_reported(kafka, topic_prefix: str) -> None:
    topic = topic_prefix + "numbers"
    await create_topic(kafka.bootstrap_servers, topic, 1)
    settings = load_settings(
        kafka={
            "bootstrap_servers": kafka.bootstrap_servers,
            "session_timeout_s": 0.2,
            "heartbeat_interval_s": 0.1,
        },
        topics={"prefix": topic_prefix},
    )
    runner = RoleRunner(settings, "role", [topic], Recorder(), on_poison=no_poison)
    async with running(runner):
        await until(lambda: runner.stats().problem is not None, "the problem")
        assert "InvalidSessionTimeout" in str(runner.stats().problem)
        assert runner.stats().state == "connecting"


async def test_two_roles_in_one_process(kafka, topic_prefix: str) -> None:
    servers, topic = kafka.bootstrap_servers, topic_prefix + "numbers"
    await create_topic(servers, topic, 2)
    await publish_numbers(servers, topic, range(100), partitions=2)
    settings = settings_for(servers, topic_prefix)
    one, two = Recorder(), Recorder()
    async with (
        running(RoleRunner(settings, "one", [topic], one, on_poison=no_poison)),
        running(RoleRunner(settings, "two", [topic], two, on_poison=no_poison)),
    ):
        await until(lambda: len(one.records) >= 100 and len(two.records) >= 100, "all records, twice")
    assert sorted(one.numbers) == sorted(two.numbers) == list(range(100))
